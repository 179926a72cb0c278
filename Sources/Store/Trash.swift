import GRDB
import Host
import SystemPackage

/// The folder that things pass through on their way out. A name there tells what it was:
/// `<kind>~<key>~<random>`; it goes back to its place if the row that it belongs to survived.
enum Trash {
    enum Kind: String {
        /// A layer's EROFS image, its sidecar, its folder of boot files.
        case blob, sidecar, boot
        /// Never goes back.
        case refuse
    }

    /// Moves a file or folder into the trash and returns its new path.
    static func move(
        _ path: FilePath,
        to trash: FilePath,
        as kind: Kind,
        key: LayerKey? = nil
    ) throws(FileError) -> FilePath {
        let unique = String(UInt64.random(in: 0 ... .max), radix: 36)
        let target = trash.appending("\(kind.rawValue)~\(key?.description ?? "")~\(unique)")
        try Directory.rename(path, to: target)
        return target
    }

    /// Puts back what was trashed by a transaction that never committed: its row is there and its place is empty.
    /// Everything else is named for ``remove(_:)``. Only under the write lock: no transaction is half way then.
    static func recover(_ db: Database, _ layout: StoreLayout) throws -> [FilePath] {
        var refuse: [FilePath] = []
        for name in try Directory.names(in: layout.trash) {
            let path = layout.trash.appending(name)
            guard let (kind, key) = parse(name.string), let place = layout.place(of: kind, key),
                try BlobRow.exists(db, key), try FileStatus.of(place) == nil
            else {
                refuse.append(path)
                continue
            }
            do throws(FileError) { try Directory.rename(path, to: place) } catch {
                // Another process is emptying the trash of an earlier collection.
                guard error.errno == .noSuchFileOrDirectory else { throw error }
                continue
            }
            try Directory.synchronize(place.removingLastComponent())
        }
        return refuse
    }

    /// Unlinks; what another process removed meanwhile is fine.
    static func remove(_ paths: [FilePath]) throws(FileError) {
        for path in paths {
            do { try Directory.removeTree(path) } catch  where error.errno == .noSuchFileOrDirectory {}
        }
    }

    private static func parse(_ name: String) -> (Kind, LayerKey)? {
        let parts = name.split(separator: "~", omittingEmptySubsequences: false)
        guard parts.count == 3, let kind = Kind(rawValue: String(parts[0])),
            let key = LayerKey(String(parts[1]))
        else { return nil }
        return (kind, key)
    }
}

extension StoreLayout {
    fileprivate func place(of kind: Trash.Kind, _ key: LayerKey) -> FilePath? {
        switch kind {
        case .blob: blob(key)
        case .sidecar: blobSidecar(key)
        case .boot: bootDirectory(key)
        case .refuse: nil
        }
    }
}
