import Documents

/// Compares a config with the schema and collects what differs.
struct SchemaCheck {
    let version: HypervisorVersion
    private(set) var violations: [Violation] = []

    init(version: HypervisorVersion) { self.version = version }

    mutating func check(_ value: JSONValue, _ type: SchemaType, at path: String) {
        switch type {
        case .boolean:
            if value.bool == nil { refuse(value, path, "true or false") }
        case .integer(let range):
            checkInteger(value, range, path)
        case .string:
            guard let text = value.string else { return refuse(value, path, "a string") }
            if text.utf8.contains(0) { add(path, "it holds a NUL character") }
        case .hostPath:
            checkPath(value, path)
        case .word(let words):
            checkWord(value, words, path)
        case .list(let element):
            guard let values = value.array else { return refuse(value, path, "a list") }
            for (index, value) in values.enumerated() { check(value, element, at: "\(path)[\(index)]") }
        case .object(let fields):
            checkObject(value, fields, path)
        }
    }

    private mutating func checkInteger(_ value: JSONValue, _ range: ClosedRange<UInt64>, _ path: String) {
        let number: UInt64
        switch value {
        case .integer(let signed) where signed >= 0: number = UInt64(signed)
        case .unsigned(let unsigned): number = unsigned
        case .integer(let signed):
            return add(path, "it is \(signed), and \(Self.words(for: range)) is expected")
        default: return refuse(value, path, Self.words(for: range))
        }
        if !range.contains(number) { add(path, "it is \(number), and \(Self.words(for: range)) is expected") }
    }

    private static func words(for range: ClosedRange<UInt64>) -> String {
        range.upperBound == .max
            ? "a whole number" : "a whole number from \(range.lowerBound) to \(range.upperBound)"
    }

    /// A relative path would depend on the folder that the hypervisor happens to run in.
    private mutating func checkPath(_ value: JSONValue, _ path: String) {
        guard let text = value.string else { return refuse(value, path, "a path") }
        if text.utf8.contains(0) {
            add(path, "it holds a NUL character")
        } else if !text.hasPrefix("/") {
            add(path, "'\(text)' is not an absolute path")
        }
    }

    private mutating func checkWord(
        _ value: JSONValue,
        _ words: [(name: String, since: HypervisorVersion)],
        _ path: String
    ) {
        let names = words.map(\.name)
        guard let text = value.string else {
            return refuse(value, path, "one of \(names.joined(separator: ", "))")
        }
        guard let word = words.first(where: { $0.name == text }) else {
            let nearest = Similarity.nearest(to: text, among: names).map { "; did you mean '\($0)'?" } ?? ""
            return add(path, "'\(text)' is none of \(names.joined(separator: ", "))\(nearest)")
        }
        if version < word.since { add(path, needs("'\(text)'", word.since)) }
    }

    private mutating func checkObject(_ value: JSONValue, _ fields: [SchemaField], _ path: String) {
        guard let members = value.object else { return refuse(value, path, "an object") }
        let known = Dictionary(uniqueKeysWithValues: fields.map { ($0.name, $0) })
        for (name, member) in members.sorted(by: { $0.key < $1.key }) {
            let place = path.isEmpty ? name : "\(path).\(name)"
            guard let field = known[name] else {
                let nearest = Similarity.nearest(to: name, among: known.keys.sorted())
                add(
                    place,
                    "Cloud Hypervisor knows no '\(name)' here"
                        + (nearest.map { "; did you mean '\($0)'?" } ?? "")
                )
                continue
            }
            if version < field.since { add(place, needs("'\(name)'", field.since)) }
            if member == .null {
                if !field.isNullable { add(place, "null is not allowed; leave it out") }
            } else {
                check(member, field.type, at: place)
            }
        }
        for field in fields where field.isRequired && members[field.name] == nil {
            add(path, "'\(field.name)' is missing")
        }
    }

    private func needs(_ what: String, _ release: HypervisorVersion) -> String {
        "\(what) needs Cloud Hypervisor \(release), and the host has \(version)"
    }

    private mutating func refuse(_ value: JSONValue, _ path: String, _ expected: String) {
        let found =
            switch value {
            case .null: "null"
            case .bool: "a boolean"
            case .integer, .unsigned: "a whole number"
            case .number: "a number with a fraction or exponent"
            case .string: "a string"
            case .array: "a list"
            case .object: "an object"
            }
        add(path, "it is \(found), and \(expected) is expected")
    }

    private mutating func add(_ path: String, _ message: String) {
        violations.append(Violation(path: path, message: message))
    }
}
