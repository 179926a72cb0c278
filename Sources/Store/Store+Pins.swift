import GRDB
public import OCI

extension Store {
    /// Who pins an image, sorted.
    public func sources(pinning image: Digest) async throws -> [Source] {
        try await index.read { db in
            try Row.fetchAll(
                db,
                sql: "SELECT source FROM pins WHERE image = ? ORDER BY source",
                arguments: [image.hex]
            ).map { try $0.source("source") }
        }
    }

    /// The images that each source pins whose written form starts with `prefix`, such as `inbox/`. A pinned image is
    /// in the store.
    public func pins(ofSourcesStartingWith prefix: String) async throws -> [Source: Set<Digest>] {
        try await index.read { db in
            let (condition, arguments) = Source.condition(startingWith: prefix)
            let rows = try Row.fetchCursor(
                db,
                sql: "SELECT source, image FROM pins WHERE \(condition)",
                arguments: arguments
            )
            var pins: [Source: Set<Digest>] = [:]
            while let row = try rows.next() {
                pins[try row.source("source"), default: []].insert(try row.digest("image"))
            }
            return pins
        }
    }
}
