import Documents

/// Checks values against a JSON Schema of the 2020-12 dialect, as far as our schema uses it. A keyword it does not
/// know is an error, so that no rule of the schema goes untested.
struct SchemaChecker {
    struct UnknownKeyword: Error { var keyword: String }

    private static let annotations: Set<String> = ["$schema", "$defs", "title", "description"]

    let root: JSONValue

    /// What is wrong with a value; empty when it is valid.
    func check(_ value: JSONValue) throws -> [String] { try check(value, root, at: "$") }

    private func check(_ value: JSONValue, _ schema: JSONValue, at path: String) throws -> [String] {
        var problems: [String] = []
        for (keyword, rule) in (schema.object ?? [:]).sorted(by: { $0.key < $1.key })
        where !Self.annotations.contains(keyword) {
            problems += try check(value, keyword, rule, schema, at: path)
        }
        return problems
    }

    private func check(
        _ value: JSONValue,
        _ keyword: String,
        _ rule: JSONValue,
        _ schema: JSONValue,
        at path: String
    ) throws -> [String] {
        func failing(_ isValid: Bool) -> [String] { isValid ? [] : ["\(path): \(keyword)"] }
        switch keyword {
        case "$ref":
            let name = rule.string?.split(separator: "/").last.map(String.init) ?? ""
            return try check(value, root["$defs"]?[name] ?? .null, at: path)
        case "type": return failing(isOf(value, rule.string ?? ""))
        case "enum": return failing(rule.array?.contains(value) == true)
        case "not": return failing(!(try check(value, rule, at: path).isEmpty))
        case "anyOf":
            return failing(try (rule.array ?? []).contains { try check(value, $0, at: path).isEmpty })
        case "required":
            guard let members = value.object else { return [] }
            return failing((rule.array ?? []).compactMap(\.string).allSatisfy { members[$0] != nil })
        case "dependentRequired":
            guard let members = value.object else { return [] }
            return failing(
                (rule.object ?? [:]).allSatisfy { key, needed in
                    members[key] == nil
                        || (needed.array ?? []).compactMap(\.string).allSatisfy { members[$0] != nil }
                }
            )
        case "properties":
            return try (value.object ?? [:]).sorted { $0.key < $1.key }.flatMap { key, member in
                try rule[key].map { try check(member, $0, at: "\(path).\(key)") } ?? []
            }
        case "additionalProperties":
            let known = schema["properties"]?.object ?? [:]
            return failing(rule != false || (value.object ?? [:]).keys.allSatisfy { known[$0] != nil })
        case "propertyNames":
            return try (value.object ?? [:]).keys.sorted().flatMap { try check(.string($0), rule, at: path) }
        case "items":
            return try (value.array ?? []).enumerated().flatMap {
                try check($0.element, rule, at: "\(path)[\($0.offset)]")
            }
        case "maxItems": return failing((value.array ?? []).count <= Int(rule.integer ?? 0))
        case "minLength": return failing((value.string ?? "x").unicodeScalars.count >= Int(rule.integer ?? 0))
        case "maxLength": return failing((value.string ?? "").unicodeScalars.count <= Int(rule.integer ?? 0))
        case "minimum": return failing((value.integer ?? .max) >= (rule.integer ?? 0))
        case "multipleOf": return failing((value.integer ?? 0) % (rule.integer ?? 1) == 0)
        case "maximum": return failing((value.integer ?? .min) <= (rule.integer ?? 0))
        case "pattern":
            guard let text = value.string else { return [] }
            return failing(try Regex(rule.string ?? "").firstMatch(in: text) != nil)
        default: throw UnknownKeyword(keyword: keyword)
        }
    }

    private func isOf(_ value: JSONValue, _ type: String) -> Bool {
        switch value {
        case .object: type == "object"
        case .array: type == "array"
        case .string: type == "string"
        case .bool: type == "boolean"
        case .integer, .unsigned: type == "integer" || type == "number"
        case .number: type == "number"
        case .null: type == "null"
        }
    }
}
