import GRDB
import OCI

extension Store {
    /// What is remembered of every source whose written form starts with `prefix`, such as `inbox/`, sorted.
    public func sources(startingWith prefix: String = "") async throws -> [SourceRecord] {
        try await index.read { db in
            let (condition, arguments) = Source.condition(startingWith: prefix)
            return try Row.fetchAll(
                db,
                sql: "SELECT * FROM sources WHERE \(condition) ORDER BY source",
                arguments: arguments
            ).map(SourceRecord.init)
        }
    }

    /// Remembers.
    public func setSource(_ record: SourceRecord) async throws {
        try await index.write { db in
            try db.execute(
                sql: "INSERT OR REPLACE INTO sources VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                arguments: [
                    record.source.rawValue, record.identity, record.digest?.hex,
                    record.images.isEmpty ? nil : record.images.map(\.hex).joined(separator: " "),
                    record.state.rawValue, record.attempts, record.nextTry?.nanoseconds, record.errorCode,
                    record.message, record.absentSince?.nanoseconds,
                ]
            )
        }
    }

    /// Forgets; a source that is not there is fine.
    public func removeSource(_ source: Source) async throws {
        try await index.write { db in
            try db.execute(sql: "DELETE FROM sources WHERE source = ?", arguments: [source.rawValue])
        }
    }
}

extension SourceRecord {
    fileprivate init(_ row: Row) throws {
        guard let state = State(rawValue: try row.text("state")) else {
            throw StoreError(
                .corruptIndex,
                "the index's table 'sources' holds an unknown state '\(try row.text("state"))'"
            )
        }
        // Of an archive of several images the column holds all, with spaces between.
        let images = try (row.optionalText("image") ?? "").split(separator: " ").map { hex in
            guard let digest = Digest(hex: hex) else {
                throw StoreError(.corruptIndex, "the index's table 'sources' holds no digest in '\(hex)'")
            }
            return digest
        }
        self.init(
            source: try row.source("source"),
            identity: try row.text("identity"),
            digest: try row.optionalDigest("digest"),
            image: images.first,
            furtherImages: Array(images.dropFirst()),
            state: state,
            attempts: Int(clamping: try row.integer("attempts")),
            nextTry: try row.optionalTime("next_try"),
            errorCode: try row.optionalText("error_code"),
            message: try row.optionalText("message"),
            absentSince: try row.optionalTime("absent_since")
        )
    }
}

extension Source {
    /// A condition on a column of sources, with its arguments: those whose written form starts so. It is a range, which
    /// SQLite finds without a look at the others.
    static func condition(startingWith prefix: String) -> (sql: String, arguments: StatementArguments) {
        guard let last = prefix.unicodeScalars.last, let next = Unicode.Scalar(last.value + 1) else {
            return ("TRUE", [])
        }
        var end = String.UnicodeScalarView(prefix.unicodeScalars.dropLast())
        end.append(next)
        return ("source >= ? AND source < ?", [prefix, String(end)])
    }
}
