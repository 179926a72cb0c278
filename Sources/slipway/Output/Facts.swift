import Documents
import Foundation
import OCI

/// Names and values, a line each.
struct Facts {
    private var rows: [(name: String, value: String)] = []

    /// Adds a fact; an empty value shows as a dash.
    mutating func add(_ name: String, _ value: String) { rows.append((name, value.isEmpty ? "-" : value)) }

    var text: String {
        let width = rows.map(\.name.count).max() ?? 0
        return rows.map { name, value in
            name + ":" + String(repeating: " ", count: width - name.count + 1)
                + value.withoutControlCharacters + "\n"
        }.joined()
    }
}

extension Digest {
    /// Its first 12 digits, which name it as long as they are unique.
    var short: String { String(hex.prefix(12)) }
}

extension JSONValue {
    /// The value that an encodable one encodes as.
    static func encoding(_ value: some Encodable) throws -> JSONValue {
        try Document.parse(Array(JSONEncoder().encode(value)), file: "output", format: .json).jsonValue
    }
}
