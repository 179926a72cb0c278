import GRDB
import Host
import OCI
import SystemPackage

/// A layer's row in the index.
enum BlobRow {
    static func exists(_ db: Database, _ key: LayerKey) throws -> Bool {
        try Bool.fetchOne(
            db,
            sql: "SELECT EXISTS (SELECT 1 FROM blobs WHERE key = ?)",
            arguments: [key.description]
        ) ?? false
    }

    static func fetch(_ db: Database, _ key: LayerKey) throws -> BlobRecord? {
        try Row.fetchOne(db, sql: "SELECT record FROM blobs WHERE key = ?", arguments: [key.description])?
            .json("record", as: BlobRecord.self)
    }

    static func fetchAll(_ db: Database) throws -> [BlobRecord] {
        try Row.fetchAll(db, sql: "SELECT record FROM blobs ORDER BY key").map {
            try $0.json("record", as: BlobRecord.self)
        }
    }

    /// Writes the row. One that is there already belonged to a file that was missing or damaged.
    static func put(_ db: Database, _ record: BlobRecord, bootSize: UInt64, at time: StoreTime) throws {
        try db.execute(
            sql: """
                INSERT INTO blobs (key, diff_id, sha256, size, boot_size, record, committed_at)
                VALUES (?, ?, ?, ?, ?, ?, ?)
                ON CONFLICT (key) DO UPDATE SET sha256 = excluded.sha256, size = excluded.size,
                    boot_size = excluded.boot_size, record = excluded.record, committed_at = excluded.committed_at
                """,
            arguments: [
                record.key.description, record.key.diffID.hex, record.sha256.hex, Int64(record.size),
                Int64(bootSize), try JSON.text(record), time.nanoseconds,
            ]
        )
    }

    /// Remembers under which digest the compressed layer is known; true when that is news.
    static func rememberCompressed(_ db: Database, _ digest: Digest, diffID: Digest) throws -> Bool {
        guard digest != diffID else { return false }
        try db.execute(
            sql: "INSERT INTO compressed VALUES (?, ?) ON CONFLICT DO NOTHING",
            arguments: [digest.hex, diffID.hex]
        )
        return db.changesCount > 0
    }

    static func lease(_ db: Database, _ key: LayerKey, for workspace: Workspace) throws {
        guard workspace.isOpen else { throw StoreError(.closed, "the workspace \(workspace.id) is closed") }
        try db.execute(
            sql: "INSERT INTO leases VALUES (?, ?) ON CONFLICT DO NOTHING",
            arguments: [workspace.id, key.description]
        )
    }
}

extension BlobRecord {
    /// The boot files that belong to it, with their sizes.
    var bootFiles: [(name: String, size: UInt64)] {
        boot.entries.compactMap { entry in
            if case .file(let size) = entry.kind { (entry.name, size) } else { nil }
        }
    }

    /// Bytes of its boot files.
    var bootSize: UInt64 { bootFiles.reduce(0) { $0 + $1.size } }
}

extension StoreLayout {
    /// What is wrong with a blob's files as far as their sizes tell; nil when nothing is. Follows no links.
    func defect(of record: BlobRecord) throws(FileError) -> String? {
        var files = [(blob(record.key), record.size)]
        for (name, size) in record.bootFiles {
            files.append((bootDirectory(record.key).appending(name), size))
        }
        return try defect(of: files)
    }

    /// The first of these files that is missing, no regular file or of another size, in words.
    func defect(of files: [(FilePath, UInt64)]) throws(FileError) -> String? {
        for (path, size) in files {
            guard let status = try FileStatus.of(path) else { return "\(path) is missing" }
            guard status.kind == .regular else { return "\(path) is no regular file" }
            guard status.size == size else { return "\(path) has \(status.size) bytes, not \(size)" }
        }
        return nil
    }

    /// The record of a blob whose row and files are there. Under the write lock only: a file that a killed
    /// collection left in the trash is put back first.
    func intactBlob(_ db: Database, _ key: LayerKey) throws -> BlobRecord? {
        guard let record = try BlobRow.fetch(db, key) else { return nil }
        if try defect(of: record) == nil { return record }
        // What it does not put back stays in the trash for the next collection.
        _ = try Trash.recover(db, self)
        if try defect(of: record) == nil { return record }
        return try adoptReplacement(db, of: record)
    }

    /// Takes over a blob that was moved into its place to replace another by a process that was killed before its row
    /// was durable. The sidecar, which is moved just before, tells of it.
    func adoptReplacement(_ db: Database, of old: BlobRecord) throws -> BlobRecord? {
        guard let bytes = try AtomicFile.read(blobSidecar(old.key)) else { return nil }
        let new: BlobRecord
        do { new = try JSON.decode(BlobSidecar.self, from: bytes).record } catch is DecodingError {
            return nil
        }
        guard new.key == old.key, new != old, try defect(of: new) == nil else { return nil }
        try db.execute(
            sql: "UPDATE blobs SET sha256 = ?, size = ?, boot_size = ?, record = ? WHERE key = ?",
            arguments: [
                new.sha256.hex, Int64(new.size), Int64(new.bootSize), try JSON.text(new), new.key.description,
            ]
        )
        try Sidecars.markBlobs(diffID: new.key.diffID, db)
        return new
    }
}
