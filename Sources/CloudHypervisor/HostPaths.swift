public import Documents

extension Rules {
    /// Every place of a config where a path of the host stands, in the order of the schema, with what stands there.
    ///
    /// Whatever has another type than it should is passed over: ``check(_:version:)`` refuses it.
    public static func hostPaths(in config: JSONValue) -> [(path: String, value: String)] {
        var found: [(path: String, value: String)] = []
        collect(config, .vmConfig, at: "", into: &found)
        return found
    }

    private static func collect(
        _ value: JSONValue,
        _ type: SchemaType,
        at path: String,
        into found: inout [(path: String, value: String)]
    ) {
        switch type {
        case .boolean, .integer, .string, .word: break
        case .hostPath:
            if let text = value.string { found.append((path, text)) }
        case .list(let element):
            for (index, value) in (value.array ?? []).enumerated() {
                collect(value, element, at: "\(path)[\(index)]", into: &found)
            }
        case .object(let fields):
            for field in fields {
                guard let member = value[field.name] else { continue }
                collect(
                    member,
                    field.type,
                    at: path.isEmpty ? field.name : "\(path).\(field.name)",
                    into: &found
                )
            }
        }
    }
}
