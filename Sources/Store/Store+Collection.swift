import GRDB
import Host
import Logging
public import OCI
import SystemPackage

extension Store {
    /// Rows deleted under one hold of the write lock.
    private static let batch = 256

    /// Deletes images that nothing pins and no VM is bound to, checked again in the transaction that deletes.
    ///
    /// - Parameter unpinnedBefore: only those whose last pin had gone by then.
    /// - Returns: the digests of those deleted. Their blobs are ``collectBlobs(_:committedBefore:)``'s.
    public func collectImages(_ digests: [Digest], unpinnedBefore: StoreTime) async throws -> [Digest] {
        var collected: [Digest] = []
        for batch in digests.batches(of: Self.batch) {
            collected += try await index.write { db in
                try batch.filter { digest in
                    let isGarbage = try Bool.fetchOne(
                        db,
                        sql: """
                            SELECT unpinned_at <= ? AND NOT EXISTS (SELECT 1 FROM pins WHERE image = digest)
                                AND NOT EXISTS (SELECT 1 FROM vms WHERE image = digest)
                            FROM images WHERE digest = ?
                            """,
                        arguments: [unpinnedBefore.nanoseconds, digest.hex]
                    )
                    return isGarbage == true ? try ImageRecord.delete(db, digest) : false
                }
            }
        }
        await flushSidecars()
        return collected
    }

    /// Deletes blobs that no image has, no VM is bound to, no live workspace leases and no hypervisor locks, all
    /// checked again in the transaction that deletes. Files go to the trash there, and are unlinked once it is
    /// durable.
    ///
    /// - Parameter committedBefore: a blob that never belonged to an image goes only when it was committed by then;
    ///   nil for any time. One that did goes at once.
    /// - Returns: the keys of those deleted, with the bytes freed.
    public func collectBlobs(
        _ keys: [LayerKey],
        committedBefore: StoreTime?
    ) async throws -> [(LayerKey, UInt64)] {
        let layout = layout
        var collected: [(LayerKey, UInt64)] = []
        for batch in keys.batches(of: Self.batch) {
            let removals = try await recoveringTrash {
                try await index.write { db in
                    try Workspaces.forgetDeadLeases(db, layout)
                    return try batch.compactMap { try BlobRemoval(db, $0, committedBefore, layout) }
                }
            }
            try await emptyTrash(removals.flatMap(\.trashed))
            collected += removals.map { ($0.key, $0.bytes) }
        }
        return collected
    }

    /// Runs a transaction that moves things to the trash; when it fails, what it moved is put back.
    func recoveringTrash<Success: Sendable>(
        _ body: () async throws -> Success
    ) async throws -> Success {
        do { return try await body() } catch {
            let layout = layout
            do {
                // What it does not put back is the next collection's.
                _ = try await index.write(evenIfCancelled: true) { db in try Trash.recover(db, layout) }
            } catch {
                log.warning("files in \(layout.trash) are put back by the next start or collection: \(error)")
            }
            throw error
        }
    }

    func emptyTrash(_ paths: [FilePath]) async throws {
        guard !paths.isEmpty else { return }
        try await translating { try await onThread(named: "empty-trash") { _ in try Trash.remove(paths) } }
    }
}

/// A blob on its way out: row deleted, files in the trash.
private struct BlobRemoval: Sendable {
    let key: LayerKey
    let bytes: UInt64
    let trashed: [FilePath]

    /// Takes a blob out if it is garbage; nil when it is not, or is not there.
    init?(_ db: Database, _ key: LayerKey, _ committedBefore: StoreTime?, _ layout: StoreLayout) throws {
        let row = try Row.fetchOne(
            db,
            sql: """
                SELECT size + boot_size AS bytes FROM blobs WHERE key = :key
                    AND (was_referenced OR committed_at <= :time)
                    AND NOT EXISTS (SELECT 1 FROM image_layers WHERE key = :key)
                    AND NOT EXISTS (SELECT 1 FROM vm_layers WHERE key = :key)
                    AND NOT EXISTS (SELECT 1 FROM leases WHERE key = :key)
                """,
            arguments: ["key": key.description, "time": committedBefore?.nanoseconds ?? .max]
        )
        guard let row, try !layout.isLockedDisk(layout.blob(key)) else { return nil }
        self.key = key
        bytes = try row.bytes("bytes")
        var trashed: [FilePath] = []
        let files: [(FilePath, Trash.Kind)] = [
            (layout.blob(key), .blob), (layout.blobSidecar(key), .sidecar),
            (layout.bootDirectory(key), .boot),
        ]
        for (path, kind) in files where try FileStatus.of(path) != nil {
            trashed.append(try Trash.move(path, to: layout.trash, as: kind, id: key.description))
        }
        self.trashed = trashed
        try db.execute(sql: "DELETE FROM blobs WHERE key = ?", arguments: [key.description])
        try db.execute(
            sql: """
                DELETE FROM compressed WHERE diff_id = :id
                AND NOT EXISTS (SELECT 1 FROM blobs WHERE diff_id = :id)
                """,
            arguments: ["id": key.diffID.hex]
        )
    }
}

extension StoreLayout {
    /// Whether a hypervisor has a disk attached: Cloud Hypervisor locks its disks (OFD locks, shared for read-only).
    func isLockedDisk(_ path: FilePath) throws(FileError) -> Bool {
        do {
            return try File(path, .readOnly, options: .noFollow).isLockedByAnother()
        } catch  where error.errno == .noSuchFileOrDirectory {
            return false
        }
    }
}

extension Array {
    /// The elements in slices of at most `size`.
    func batches(of size: Int) -> [[Element]] {
        stride(from: 0, to: count, by: size).map { Array(self[$0..<Swift.min($0 + size, count)]) }
    }
}
