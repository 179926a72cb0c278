import GRDB
import Host
import OCI
import SystemPackage

/// The folder that things pass through on their way out. A name there tells what it was:
/// `<kind>~<id>~<random>`; it goes back to its place if the row that it belongs to survived.
enum Trash {
    enum Kind: String {
        /// A layer's EROFS image, its sidecar, its folder of boot files.
        case blob, sidecar, boot
        /// A merged disk, its sidecar.
        case merged
        case mergedSidecar = "merged-sidecar"
        /// Never goes back.
        case refuse
    }

    /// Moves a file or folder into the trash and returns its new path.
    static func move(
        _ path: FilePath,
        to trash: FilePath,
        as kind: Kind,
        id: String = ""
    ) throws(FileError) -> FilePath {
        let unique = String(UInt64.random(in: 0 ... .max), radix: 36)
        let target = trash.appending("\(kind.rawValue)~\(id)~\(unique)")
        try Directory.rename(path, to: target)
        return target
    }

    /// Puts back what was trashed by a transaction that never committed: its row is there and its place is empty.
    /// Everything else is named for ``remove(_:)``. Only under the write lock: no transaction is half way then.
    static func recover(_ db: Database, _ layout: StoreLayout) throws -> [FilePath] {
        var refuse: [FilePath] = []
        for name in try Directory.names(in: layout.trash) {
            let path = layout.trash.appending(name)
            guard let owner = owner(name.string), let place = owner.place(layout), try owner.hasRow(db),
                try FileStatus.of(place) == nil
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

    private static func owner(_ name: String) -> Owner? {
        let parts = name.split(separator: "~", omittingEmptySubsequences: false)
        guard parts.count == 3, let kind = Kind(rawValue: String(parts[0])) else { return nil }
        return Owner(kind: kind, id: String(parts[1]))
    }

    /// What something in the trash belonged to.
    private struct Owner {
        let kind: Kind
        let id: String

        func place(_ layout: StoreLayout) -> FilePath? {
            switch kind {
            case .blob: LayerKey(id).map(layout.blob)
            case .sidecar: LayerKey(id).map(layout.blobSidecar)
            case .boot: LayerKey(id).map(layout.bootDirectory)
            case .merged: Digest(hex: id).map(layout.mergedDisk)
            case .mergedSidecar: Digest(hex: id).map(layout.mergedSidecar)
            case .refuse: nil
            }
        }

        func hasRow(_ db: Database) throws -> Bool {
            switch kind {
            case .blob, .sidecar, .boot: try LayerKey(id).map { try BlobRow.exists(db, $0) } ?? false
            case .merged, .mergedSidecar: try Digest(hex: id).map { try MergedRow.exists(db, $0) } ?? false
            case .refuse: false
            }
        }
    }
}
