import GRDB
public import OCI

extension Store {
    /// Every claim, sorted by reference, the winner of a reference first.
    ///
    /// Inbox comes before queue. What was done by hand counts as the newest of the inbox: it holds until something
    /// newer is dropped. Within a kind the newest claim wins, and when the winner leaves, the next holds again.
    public func claims() async throws -> [Claim] {
        try await index.read { db in
            try Row.fetchAll(db, sql: "SELECT * FROM claims ORDER BY reference, rank, sequence DESC").map(
                Claim.init
            )
        }
    }

    /// The claims on some references, sorted by reference, the winner of a reference first.
    public func claims(on references: [String]) async throws -> [Claim] {
        try await index.read { db in
            try Row.fetchAll(
                db,
                sql: """
                    SELECT * FROM claims WHERE reference IN (SELECT value FROM json_each(?))
                    ORDER BY reference, rank, sequence DESC
                    """,
                arguments: [try JSON.text(references)]
            ).map(Claim.init)
        }
    }

    /// Whose claim holds on each of some references; those that nobody claims are left out.
    public func winners(of references: [String]) async throws -> [Claim] {
        var seen: Set<String> = []
        return try await claims(on: references).filter { seen.insert($0.reference).inserted }
    }

    /// What a source claims, sorted by reference.
    public func claims(of source: Source) async throws -> [Claim] {
        try await index.read { db in
            try Row.fetchAll(
                db,
                sql: "SELECT * FROM claims WHERE source = ? ORDER BY reference",
                arguments: [source.rawValue]
            ).map(Claim.init)
        }
    }

    /// Pins an image by hand or for a source.
    ///
    /// - Throws: ``StoreError`` `notFound` when there is no such image.
    public func pin(_ image: Digest, by source: Source) async throws {
        try await index.write { db in
            let isThere = try Bool.fetchOne(
                db,
                sql: "SELECT EXISTS (SELECT 1 FROM images WHERE digest = ?)",
                arguments: [image.hex]
            )
            guard isThere == true else { throw StoreError(.notFound, "there is no image \(image) to pin") }
            try Pins.add(db, image, by: source)
            try Sidecars.markImage(image, db)
        }
        await flushSidecars()
    }

    /// Takes a pin away; one that is not there is fine.
    public func unpin(_ image: Digest, by source: Source) async throws {
        let clock = clock
        try await index.write { db in
            try db.execute(
                sql: "DELETE FROM pins WHERE source = ? AND image = ?",
                arguments: [source.rawValue, image.hex]
            )
            _ = try Pins.stampUnpinned(db, [image], at: try clock.advance(db))
            try Sidecars.markImage(image, db)
        }
        await flushSidecars()
    }

    /// Forgets everything a source wants: its claims and pins.
    ///
    /// - Returns: the images that this leaves without a pin, sorted.
    @discardableResult
    public func release(_ source: Source) async throws -> [Digest] {
        let clock = clock
        let unpinned = try await index.write { db in
            try Claim.release(db, source, keeping: [])
            return try Pins.remove(db, source, keeping: [], at: try clock.advance(db))
        }
        await flushSidecars()
        return unpinned
    }
}

extension Source {
    /// The kind's place in the order of claims, lowest first.
    var claimRank: Int {
        if self == .hand || rawValue.hasPrefix("inbox/") { 0 } else { 1 }
    }
}

extension Claim {
    init(_ row: Row) throws {
        self.init(
            reference: try row.text("reference"),
            source: try row.source("source"),
            image: try row.digest("image"),
            sequence: try row.integer("sequence")
        )
    }

    /// The image that a reference means.
    static func winner(_ db: Database, _ reference: String) throws -> Digest? {
        try Row.fetchOne(
            db,
            sql: "SELECT image FROM claims WHERE reference = ? ORDER BY rank, sequence DESC LIMIT 1",
            arguments: [reference]
        )?.digest("image")
    }

    static func fetch(_ db: Database, image: Digest) throws -> [Claim] {
        try Row.fetchAll(
            db,
            sql: "SELECT * FROM claims WHERE image = ? ORDER BY reference, sequence",
            arguments: [image.hex]
        ).map(Claim.init)
    }

    /// Makes this the source's claim on the reference, the newest of its kind.
    func make(_ db: Database) throws {
        let previous = try Row.fetchOne(
            db,
            sql: "SELECT image FROM claims WHERE reference = ? AND source = ?",
            arguments: [reference, source.rawValue]
        )
        if let previous { try Sidecars.markImage(try previous.digest("image"), db) }
        try db.execute(
            sql: """
                INSERT INTO claims (reference, source, image, rank, sequence) VALUES (?, ?, ?, ?, ?)
                ON CONFLICT (reference, source) DO UPDATE SET image = excluded.image, sequence = excluded.sequence
                """,
            arguments: [reference, source.rawValue, image.hex, source.claimRank, try nextSequence(db)]
        )
    }

    /// Releases a source's claims except those on some references.
    static func release(_ db: Database, _ source: Source, keeping references: [String]) throws {
        let rows = try Row.fetchAll(
            db,
            sql: """
                DELETE FROM claims WHERE source = ? AND reference NOT IN (SELECT value FROM json_each(?))
                RETURNING image
                """,
            arguments: [source.rawValue, try JSON.text(references)]
        )
        for row in rows { try Sidecars.markImage(try row.digest("image"), db) }
    }
}

/// Pins, and the moment an image loses its last.
enum Pins {
    static func add(_ db: Database, _ image: Digest, by source: Source) throws {
        try db.execute(
            sql: "INSERT INTO pins VALUES (?, ?) ON CONFLICT DO NOTHING",
            arguments: [source.rawValue, image.hex]
        )
        try db.execute(sql: "UPDATE images SET unpinned_at = NULL WHERE digest = ?", arguments: [image.hex])
    }

    /// Removes a source's pins except some; returns the images left without any, sorted.
    @discardableResult
    static func remove(
        _ db: Database,
        _ source: Source,
        keeping kept: [Digest],
        at time: StoreTime
    ) throws -> [Digest] {
        let rows = try Row.fetchAll(
            db,
            sql: """
                DELETE FROM pins WHERE source = ? AND image NOT IN (SELECT value FROM json_each(?))
                RETURNING image
                """,
            arguments: [source.rawValue, try JSON.text(kept.map(\.hex))]
        )
        let images = try rows.map { try $0.digest("image") }
        for image in images { try Sidecars.markImage(image, db) }
        return try stampUnpinned(db, images, at: time)
    }

    /// Starts the grace of those of the images that no pin holds.
    static func stampUnpinned(_ db: Database, _ images: [Digest], at time: StoreTime) throws -> [Digest] {
        let selection = ImageSelection.some(images)
        var arguments = try selection.arguments
        arguments += ["now": time.nanoseconds]
        return try Row.fetchAll(
            db,
            sql: """
                UPDATE images SET unpinned_at = :now WHERE \(selection.condition(on: "digest"))
                AND unpinned_at IS NULL AND NOT EXISTS (SELECT 1 FROM pins WHERE image = digest)
                RETURNING digest
                """,
            arguments: arguments
        ).map { try $0.digest("digest") }.sorted()
    }
}
