import GRDB
import Host
public import OCI
public import SystemPackage

extension Store {
    /// A merged disk whose file is there, by its identity; nil also for one whose file is missing or of the wrong
    /// size: making it again and committing it repairs it.
    public func mergedDisk(_ id: Digest) async throws -> MergedRecord? {
        let layout = layout
        return try await index.read { db in
            guard let record = try MergedRow.fetch(db, id) else { return nil }
            return try layout.defect(of: record) == nil ? record : nil
        }
    }

    /// The same for one that is about to be used: its grace begins anew.
    public func useMergedDisk(_ id: Digest) async throws -> MergedRecord? {
        let (layout, clock) = (layout, clock)
        return try await index.write { db in
            guard let record = try layout.intactMergedDisk(db, id) else { return nil }
            try MergedRow.touch(db, id, at: clock.advance(db))
            return record
        }
    }

    /// Makes a finished merged disk part of the store, as ``commitBlob(_:file:bootDirectory:compressed:in:replacing:)``
    /// does a blob: synchronised, then in one transaction renamed, its folder synchronised, its row written. If another
    /// process was first, its disk stays and is returned.
    ///
    /// - Parameters:
    ///   - file: the EROFS image in the workspace, whose leases hold the layers that it was made of.
    ///   - isObsolete: whether a sound disk that is there already is to be replaced.
    /// - Throws: ``StoreError``: `invalidFile` when the file is not what the record says, `noSpace`, `io`.
    public func commitMergedDisk(
        _ record: MergedRecord,
        file: FilePath,
        in workspace: Workspace,
        replacing isObsolete: @escaping @Sendable (MergedRecord) -> Bool = { _ in false }
    ) async throws -> MergedRecord {
        let (layout, clock) = (layout, clock)
        let sidecar = workspace.path.appending("\(record.id.hex).json")
        try await translating {
            try await onThread(named: "commit-merged") { _ in
                try PendingFile.seal(file, size: record.size)
                try PendingFile.write(
                    try JSON.encode(MergedSidecar(record: record), pretty: true),
                    to: sidecar
                )
            }
        }
        let result = try await index.write { db in
            guard workspace.isOpen else {
                throw StoreError(.closed, "the workspace \(workspace.id) is closed")
            }
            let time = try clock.advance(db)
            if let first = try layout.intactMergedDisk(db, record.id), !isObsolete(first) {
                try MergedRow.touch(db, record.id, at: time)
                return first
            }
            try Directory.rename(sidecar, to: layout.mergedSidecar(record.id))
            try Directory.rename(file, to: layout.mergedDisk(record.id))
            try Directory.synchronize(layout.merged)
            try MergedRow.put(db, record, at: time)
            return record
        }
        // Gone already if this was the first; otherwise they go with the workspace at the latest.
        try await translating {
            try await onThread(named: "drop-merged") { _ in
                try Directory.unlink(file)
                try Directory.unlink(sidecar)
            }
        }
        return result
    }

    /// Deletes merged disks that no VM is bound to and no hypervisor locks, checked again in the transaction that
    /// deletes. Files go to the trash there, and are unlinked once it is durable.
    ///
    /// - Parameter unusedSince: only those that were last made or asked for by then.
    /// - Returns: those deleted, with the bytes freed.
    public func collectMergedDisks(
        _ ids: [Digest],
        unusedSince: StoreTime
    ) async throws -> [(Digest, UInt64)] {
        let layout = layout
        let removals = try await recoveringTrash {
            try await index.write { db in
                try ids.compactMap { try MergedRemoval(db, $0, unusedSince, layout) }
            }
        }
        try await emptyTrash(removals.flatMap(\.trashed))
        return removals.map { ($0.id, $0.bytes) }
    }
}

/// A merged disk on its way out: row deleted, files in the trash.
private struct MergedRemoval: Sendable {
    let id: Digest
    let bytes: UInt64
    let trashed: [FilePath]

    /// Takes a disk out if it is garbage; nil when it is not, or is not there.
    init?(_ db: Database, _ id: Digest, _ unusedSince: StoreTime, _ layout: StoreLayout) throws {
        let row = try Row.fetchOne(
            db,
            sql: """
                SELECT size FROM merged WHERE id = :id AND used_at <= :time
                    AND NOT EXISTS (SELECT 1 FROM vms WHERE merged = :id)
                """,
            arguments: ["id": id.hex, "time": unusedSince.nanoseconds]
        )
        guard let row, try !layout.isLockedDisk(layout.mergedDisk(id)) else { return nil }
        self.id = id
        bytes = try row.bytes("size")
        var trashed: [FilePath] = []
        let files: [(FilePath, Trash.Kind)] = [
            (layout.mergedDisk(id), .merged), (layout.mergedSidecar(id), .mergedSidecar),
        ]
        for (path, kind) in files where try FileStatus.of(path) != nil {
            trashed.append(try Trash.move(path, to: layout.trash, as: kind, id: id.hex))
        }
        self.trashed = trashed
        try MergedRow.delete(db, id)
    }
}
