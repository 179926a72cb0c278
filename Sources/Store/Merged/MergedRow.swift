import GRDB
import Host
import OCI
import SystemPackage

/// A merged disk's row in the index.
enum MergedRow {
    static func exists(_ db: Database, _ id: Digest) throws -> Bool {
        try Bool.fetchOne(db, sql: "SELECT EXISTS (SELECT 1 FROM merged WHERE id = ?)", arguments: [id.hex])
            ?? false
    }

    static func fetch(_ db: Database, _ id: Digest) throws -> MergedRecord? {
        try Row.fetchOne(db, sql: "SELECT record FROM merged WHERE id = ?", arguments: [id.hex])?
            .json("record", as: MergedRecord.self)
    }

    static func fetchAll(_ db: Database) throws -> [MergedRecord] {
        try Row.fetchAll(db, sql: "SELECT record FROM merged ORDER BY id").map {
            try $0.json("record", as: MergedRecord.self)
        }
    }

    static func put(_ db: Database, _ record: MergedRecord, at time: StoreTime) throws {
        try db.execute(
            sql: """
                INSERT INTO merged VALUES (?, ?, ?, ?) ON CONFLICT (id) DO UPDATE
                SET size = excluded.size, record = excluded.record, used_at = excluded.used_at
                """,
            arguments: [record.id.hex, Int64(record.size), try JSON.text(record), time.nanoseconds]
        )
    }

    /// Notes that somebody is about to use it.
    static func touch(_ db: Database, _ id: Digest, at time: StoreTime) throws {
        try db.execute(
            sql: "UPDATE merged SET used_at = ? WHERE id = ?",
            arguments: [time.nanoseconds, id.hex]
        )
    }

    static func delete(_ db: Database, _ id: Digest) throws {
        try db.execute(sql: "DELETE FROM merged WHERE id = ?", arguments: [id.hex])
    }

    /// VMs whose binding names it, sorted.
    static func vms(_ db: Database, _ id: Digest) throws -> [String] {
        try String.fetchAll(
            db,
            sql: "SELECT name FROM vms WHERE merged = ? ORDER BY name",
            arguments: [id.hex]
        )
    }
}

extension StoreLayout {
    /// What is wrong with a merged disk's file as far as its size tells; nil when nothing is. Follows no links.
    func defect(of record: MergedRecord) throws(FileError) -> String? {
        try defect(of: [(mergedDisk(record.id), record.size)])
    }

    /// The record of a merged disk whose row and file are there. Under the write lock only: a file that a killed
    /// collection left in the trash is put back first.
    func intactMergedDisk(_ db: Database, _ id: Digest) throws -> MergedRecord? {
        guard let record = try MergedRow.fetch(db, id) else { return nil }
        if try defect(of: record) == nil { return record }
        // What it does not put back stays in the trash for the next collection.
        _ = try Trash.recover(db, self)
        return try defect(of: record) == nil ? record : nil
    }
}
