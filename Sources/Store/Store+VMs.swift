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
            let generation = try VMBindings.generation(db)
            if let known, known.generation == generation { return known }
            return VMBindings(generation: generation, records: try VMRecord.fetch(db, image: nil))
        }
        bindings.withLock { $0 = found }
        return found.records
    }

    /// One binding by its name; nil when there is none.
    public func vm(_ name: String) async throws -> VMRecord? {
        try await index.read { db in try VMRecord.fetch(db, where: "name = ?", [name]).first }
    }

    /// Bindings by their names, and those that were made for a request file, those that there are.
    public func vms(named names: [String], orOf request: String? = nil) async throws -> [VMRecord] {
        // SQLite takes a list of any length as one JSON value.
        let list = try JSON.text(names)
        return try await index.read { db in
            try VMRecord.fetch(
                db,
                where: """
                    name IN (SELECT value FROM json_each(:names)
                        UNION SELECT name FROM vms WHERE request = :request)
                    """,
                ["names": list, "request": request]
            )
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
        guard !records.isEmpty else { return }
        let layout = layout
        try await change(taking: [], adding: records) { db in
            for record in records {
                try record.put(db, layout)
            }
        }
    }

    /// Renames a binding (retirement, restoration), with whatever else `record` changes.
    ///
    /// - Throws: ``StoreError`` `notFound` when there is no such VM, `inUse` when the new name is taken.
    public func renameVM(_ name: String, to record: VMRecord) async throws {
        let layout = layout
        try await change(taking: [name], adding: [record]) { db in
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
        try await change(taking: [name], adding: []) { db in
            try VMRecord.markImage(ofVM: name, db)
            try db.execute(sql: "DELETE FROM vms WHERE name = ?", arguments: [name])
        }
    }

    /// Changes bindings, and likewise the copy that is kept of all, if it was the last before.
    private func change(
        taking names: [String],
        adding records: [VMRecord],
        _ body: @escaping @Sendable (Database) throws -> Void
    ) async throws {
        let (before, after) = try await index.write { db in
            let before = try VMBindings.generation(db)
            try body(db)
            return (before, try VMBindings.generation(db))
        }
        bindings.withLock { $0?.change(from: before, to: after, taking: names, adding: records) }
    }
}

/// Every binding as of some change of them. Reading ten thousand anew in every pass would cost more than all the rest.
struct VMBindings: Sendable {
    var generation: Int64
    /// Sorted by name, byte by byte.
    var records: [VMRecord]

    /// A number that each change of a binding raises, in the transaction that makes it.
    static func generation(_ db: Database) throws -> Int64 {
        try Int64.fetchOne(db, sql: "SELECT value FROM generations WHERE name = 'vms'") ?? 0
    }

    /// Makes the change that brought the index from one generation to another; of any other generation this knows nothing,
    /// and is read anew.
    mutating func change(from: Int64, to: Int64, taking names: [String], adding new: [VMRecord]) {
        guard generation == from else { return }
        generation = to
        for name in names {
            let place = place(of: name)
            if records.indices.contains(place), records[place].name == name { records.remove(at: place) }
        }
        for record in new {
            let place = place(of: record.name)
            if records.indices.contains(place), records[place].name == record.name {
                records[place] = record
            } else {
                records.insert(record, at: place)
            }
        }
    }

    /// Where the binding of that name is, or would be.
    private func place(of name: String) -> Int {
        var (low, high) = (0, records.count)
        while low < high {
            let middle = (low + high) / 2
            if records[middle].name.utf8.lexicographicallyPrecedes(name.utf8) {
                low = middle + 1
            } else {
                high = middle
            }
        }
        return low
    }
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
        let old = try VMRecord.fetch(db, where: "name = ?", [name]).first
        // A VM that is bound to these layers keeps them, whatever has happened to their files since.
        if old?.keys != keys {
            for key in keys where try layout.intactBlob(db, key) == nil {
                throw StoreError(
                    .missingBlob,
                    "cannot bind the VM \(name): the layer \(key) of \(image) is missing; import it again"
                )
            }
        }
        if !isRebuilding { try requireMergedDisk(db, layout) }
        try putRows(db, hasLayers: old?.keys == keys)
        try markDocuments(db, old)
    }

    private func putRows(_ db: Database, hasLayers: Bool) throws {
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
        guard !hasLayers else { return }
        try db.execute(sql: "DELETE FROM vm_layers WHERE vm = ?", arguments: [name])
        for (position, key) in keys.enumerated() {
            try db.execute(
                sql: "INSERT INTO vm_layers VALUES (?, ?, ?)",
                arguments: [name, position, key.description]
            )
        }
    }

    /// Notes that the documents of the images are behind. An edited request alone does not make them so: a document has all
    /// bindings to an image, and would be written anew for each edit of any of them.
    private func markDocuments(_ db: Database, _ old: VMRecord?) throws {
        var edited = old
        edited?.requestDigest = requestDigest
        guard edited != self else { return }
        if let old { try Sidecars.markImage(old.image, db) }
        try Sidecars.markImage(image, db)
    }
}
