import GRDB
import Host
import OCI
import SystemPackage

/// Something found in the store's folders whose name says which row it should have.
///
/// Names that the store never makes are left alone: they are somebody else's.
struct FoundFile: Sendable {
    enum Kind: String, Sendable {
        case blob, sidecar, boot, image, merged
        case mergedSidecar = "merged-sidecar"
        /// A document that was being written when its writer died.
        case unfinished
        /// A workspace's folder, and what lies in the trash.
        case temp, trash
    }

    let kind: Kind
    let path: FilePath
    var key: LayerKey?
    var digest: Digest?

    /// Whether the row is there that this file belongs to.
    func hasRow(_ db: Database) throws -> Bool {
        if let key { return try BlobRow.exists(db, key) }
        if let digest, kind != .image { return try MergedRow.exists(db, digest) }
        if let digest {
            return try Bool.fetchOne(
                db,
                sql: "SELECT EXISTS (SELECT 1 FROM images WHERE digest = ?)",
                arguments: [digest.hex]
            ) ?? false
        }
        return false
    }

    /// What a collection would say of it; nil when it has gone or its owner lives.
    func snapshot(_ layout: StoreLayout) throws(FileError) -> CollectionSnapshot.Orphan? {
        if kind == .temp, let name = path.lastComponent, try Workspaces.isAlive(name.string, in: layout.temp)
        {
            return nil
        }
        guard let bytes = try DiskUsage.bytes(of: path) else { return nil }
        return CollectionSnapshot.Orphan(kind: kind.rawValue, path: path, bytes: bytes)
    }
}

/// Looks through the store's folders for what might have no row.
enum OrphanScan {
    static func everything(in layout: StoreLayout) throws(FileError) -> [FoundFile] {
        var found = try content(in: layout)
        for name in try Directory.names(in: layout.temp) {
            found.append(FoundFile(kind: .temp, path: layout.temp.appending(name)))
        }
        for name in try Directory.names(in: layout.trash) {
            found.append(FoundFile(kind: .trash, path: layout.trash.appending(name)))
        }
        return found
    }

    /// Blobs, sidecars, boot folders, documents and merged disks.
    static func content(in layout: StoreLayout) throws(FileError) -> [FoundFile] {
        var found: [FoundFile] = []
        for shard in try shards(in: layout.blobs) {
            for name in try Directory.names(in: shard) {
                found += file(shard.appending(name), name, [("erofs", .blob), ("json", .sidecar)])
            }
        }
        for shard in try shards(in: layout.boot) {
            for name in try Directory.names(in: shard) {
                guard let key = LayerKey(name.string) else { continue }
                found.append(FoundFile(kind: .boot, path: shard.appending(name), key: key))
            }
        }
        for name in try Directory.names(in: layout.images) {
            found += file(layout.images.appending(name), name, [("json", .image)])
        }
        for name in try Directory.names(in: layout.merged) {
            let kinds: [(String, FoundFile.Kind)] = [("erofs", .merged), ("json", .mergedSidecar)]
            found += file(layout.merged.appending(name), name, kinds)
        }
        return found
    }

    private static func shards(in folder: FilePath) throws(FileError) -> [FilePath] {
        try Directory.names(in: folder).filter { $0.string.utf8.count == 2 }.map { folder.appending($0) }
    }

    private static func file(
        _ path: FilePath,
        _ name: FilePath.Component,
        _ kinds: [(extension: String, kind: FoundFile.Kind)]
    ) -> [FoundFile] {
        if name.string.hasPrefix("."), name.extension == "tmp" {
            return [FoundFile(kind: .unfinished, path: path)]
        }
        guard let kind = kinds.first(where: { $0.extension == name.extension })?.kind else { return [] }
        if [.image, .merged, .mergedSidecar].contains(kind) {
            return Digest(hex: name.stem).map { [FoundFile(kind: kind, path: path, digest: $0)] } ?? []
        }
        return LayerKey(name.stem).map { [FoundFile(kind: kind, path: path, key: $0)] } ?? []
    }
}

/// What files take on disk.
enum DiskUsage {
    /// Bytes allocated for a file, or for everything in a folder; nil when there is nothing.
    static func bytes(of path: FilePath) throws(FileError) -> UInt64? {
        guard let status = try FileStatus.of(path) else { return nil }
        var bytes = status.allocatedBytes
        guard status.kind == .directory else { return bytes }
        let names: [FilePath.Component]
        do { names = try Directory.names(in: path) } catch  where error.errno == .noSuchFileOrDirectory {
            return nil
        }
        for name in names { bytes += try self.bytes(of: path.appending(name)) ?? 0 }
        return bytes
    }
}
