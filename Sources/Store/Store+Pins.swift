import GRDB
public import OCI

extension Store {
    /// The images that each source pins whose written form starts with `prefix`, such as `inbox/`. A pinned image is
    /// in the store.
    public func pins(ofSourcesStartingWith prefix: String) async throws -> [Source: Set<Digest>] {
        try await index.read { db in
            let rows = try Row.fetchCursor(
                db,
                sql: "SELECT source, image FROM pins WHERE substr(source, 1, ?) = ?",
                arguments: [prefix.unicodeScalars.count, prefix]
            )
            var pins: [Source: Set<Digest>] = [:]
            while let row = try rows.next() {
                pins[try row.source("source"), default: []].insert(try row.digest("image"))
            }
            return pins
        }
    }
}
