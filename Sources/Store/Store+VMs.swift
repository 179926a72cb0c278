import Foundation
import GRDB
import OCI
import Synchronization

// A binding changes the document of its image, which waits for the next tick or image change: one pass may bind
// thousands of VMs to one image.
extension Store {
    /// Every binding, retired ones too, sorted by name.
    public func vms() async throws -> [VMRecord] {
        let known = bindings.withLock { $0 }
        let found = try await index.read { db -> VMBindings in
            let generation = try Int64.fetchOne(db, sql: "SELECT value FROM generations WHERE name = 'vms'")
            if let known, known.generation == generation { return known }
            return VMBindings(generation: generation ?? 0, records: try VMRecord.fetch(db, image: nil))
        }
        bindings.withLock { $0 = found }
        return found.records
    }

    /// One binding by its name; nil when there is none.
    public func vm(_ name: String) async throws -> VMRecord? {
        try await index.read { db in try VMRecord.fetch(db, where: "name = ?", [name]).first }
    }

    /// Bindings by their names, those that there are.
    public func vms(named names: [String]) async throws -> [VMRecord] {
        // SQLite takes a list of any length as one JSON value.
        let list = String(decoding: try JSONEncoder().encode(names), as: UTF8.self)
        return try await index.read { db in
            try VMRecord.fetch(db, where: "name IN (SELECT value FROM json_each(?))", [list])
        }
    }

    /// Binds a VM, or updates its binding: image and blobs must be there, in the same transaction.
    ///
    /// - Throws: ``StoreError`` `notFound` for the image, `missingBlob` for a layer, or for a merged disk that it was not
    ///   bound to before.
    public func setVM(_ record: VMRecord) async throws { try await setVMs([record]) }

    /// Binds several VMs in one transaction: all of them, or none.
    ///
    /// - Throws: as ``setVM(_:)``, for the first that cannot be bound.
    public func setVMs(_ records: [VMRecord]) async throws {
        let layout = layout
        try await index.write { db in
            for record in records {
                try VMRecord.markImage(ofVM: record.name, db)
                try record.put(db, layout)
            }
        }
    }

    /// Renames a binding (retirement, restoration), with whatever else `record` changes.
    ///
    /// - Throws: ``StoreError`` `notFound` when there is no such VM, `inUse` when the new name is taken.
    public func renameVM(_ name: String, to record: VMRecord) async throws {
        let layout = layout
        try await index.write { db in
            guard try VMRecord.exists(db, name) else { throw StoreError(.notFound, "there is no VM \(name)") }
            if name != record.name, try VMRecord.exists(db, record.name) {
                throw StoreError(.inUse, "cannot rename the VM \(name): there is a VM \(record.name) already")
            }
            try VMRecord.markImage(ofVM: name, db)
            try db.execute(sql: "UPDATE vms SET name = ? WHERE name = ?", arguments: [record.name, name])
            try record.put(db, layout)
        }
    }

    /// Takes a binding away; one that is not there is fine.
    public func removeVM(_ name: String) async throws {
        try await index.write { db in
            try VMRecord.markImage(ofVM: name, db)
            try db.execute(sql: "DELETE FROM vms WHERE name = ?", arguments: [name])
        }
    }
}

/// Every binding as of some change of them. Reading ten thousand anew in every pass would cost more than all the rest.
struct VMBindings: Sendable {
    var generation: Int64
    var records: [VMRecord]
}

extension VMRecord {
    static func exists(_ db: Database, _ name: String) throws -> Bool {
        try Bool.fetchOne(db, sql: "SELECT EXISTS (SELECT 1 FROM vms WHERE name = ?)", arguments: [name])
            ?? false
    }

    /// All bindings, or those to one image, by two queries.
    static func fetch(_ db: Database, image: Digest?) throws -> [VMRecord] {
        guard let image else { return try fetch(db, where: "TRUE", []) }
        return try fetch(db, where: "image = ?", [image.hex])
    }

    /// The bindings that a condition on their rows selects, by two queries.
    static func fetch(
        _ db: Database,
        where condition: String,
        _ arguments: StatementArguments
    ) throws -> [VMRecord] {
        var keys: [String: [LayerKey]] = [:]
        let layers = try Row.fetchAll(
            db,
            sql:
                "SELECT vm, key FROM vm_layers JOIN vms ON name = vm WHERE \(condition) ORDER BY vm, position",
            arguments: arguments
        )
        for row in layers { keys[try row.text("vm"), default: []].append(try row.layerKey("key")) }
        return try Row.fetchAll(
            db,
            sql: "SELECT * FROM vms WHERE \(condition) ORDER BY name",
            arguments: arguments
        )
        .map {
            let name = try $0.text("name")
            return VMRecord(
                name: name,
                request: try $0.text("request"),
                requestDigest: try $0.digest("request_digest"),
                reference: try $0.text("reference"),
                image: try $0.digest("image"),
                keys: keys[name] ?? [],
                merged: try $0.optionalDigest("merged"),
                absentSince: try $0.optionalTime("absent_since"),
                retiredAt: try $0.optionalTime("retired_at")
            )
        }
    }

    /// A VM that is bound to a merged disk keeps it, whatever has happened to its file since: it is made anew.
    private func requireMergedDisk(_ db: Database, _ layout: StoreLayout) throws {
        guard let merged else { return }
        let isBound = try Bool.fetchOne(
            db,
            sql: "SELECT EXISTS (SELECT 1 FROM vms WHERE name = ? AND merged = ?)",
            arguments: [name, merged.hex]
        )
        guard try isBound == true || layout.intactMergedDisk(db, merged) != nil else {
            throw StoreError(
                .missingBlob,
                "cannot bind the VM \(name): the merged disk \(merged.hex) is not there any more; it is made anew"
            )
        }
    }

    static func markImage(ofVM name: String, _ db: Database) throws {
        let row = try Row.fetchOne(db, sql: "SELECT image FROM vms WHERE name = ?", arguments: [name])
        if let row { try Sidecars.markImage(try row.digest("image"), db) }
    }

    /// Writes the rows after checking that everything they name is there.
    ///
    /// - Parameter isRebuilding: whether the index is made anew, which does not need a merged disk to be there.
    func put(_ db: Database, _ layout: StoreLayout, isRebuilding: Bool = false) throws {
        let isThere = try Bool.fetchOne(
            db,
            sql: "SELECT EXISTS (SELECT 1 FROM images WHERE digest = ?)",
            arguments: [image.hex]
        )
        guard isThere == true else {
            throw StoreError(.notFound, "cannot bind the VM \(name): there is no image \(image)")
        }
        // A VM that is bound to these layers keeps them, whatever has happened to their files since.
        let bound = try String.fetchAll(
            db,
            sql: "SELECT key FROM vm_layers WHERE vm = ? ORDER BY position",
            arguments: [name]
        )
        for key in keys where try bound != keys.map(\.description) && layout.intactBlob(db, key) == nil {
            throw StoreError(
                .missingBlob,
                "cannot bind the VM \(name): the layer \(key) of \(image) is missing; import it again"
            )
        }
        if !isRebuilding { try requireMergedDisk(db, layout) }
        try db.execute(
            sql: """
                INSERT INTO vms VALUES (?, ?, ?, ?, ?, ?, ?, ?)
                ON CONFLICT (name) DO UPDATE SET request = excluded.request,
                    request_digest = excluded.request_digest, reference = excluded.reference, image = excluded.image,
                    absent_since = excluded.absent_since, retired_at = excluded.retired_at, merged = excluded.merged
                """,
            arguments: [
                name, request, requestDigest.hex, reference, image.hex, absentSince?.nanoseconds,
                retiredAt?.nanoseconds, merged?.hex,
            ]
        )
        try db.execute(sql: "DELETE FROM vm_layers WHERE vm = ?", arguments: [name])
        for (position, key) in keys.enumerated() {
            try db.execute(
                sql: "INSERT INTO vm_layers VALUES (?, ?, ?)",
                arguments: [name, position, key.description]
            )
        }
        try Sidecars.markImage(image, db)
    }
}
