/// Typed reading. Each of these throws an error that names the place, what stands there and what belongs there.
extension Node {
    /// A string. In YAML an unquoted number is taken as it was written; `true` and `null` have to be quoted.
    public func string() throws(DocumentError) -> String {
        switch kind {
        case .string(let value): return value
        case .integer, .unsigned, .number:
            if let plainText { return plainText }
            throw error("expected a string, found \(described); write it in quotes")
        case .bool, .null: throw error("expected a string, found \(described); write it in quotes")
        case .array, .object: throw error("expected a string, found \(described)")
        }
    }

    /// A whole number within a range.
    public func integer(in range: ClosedRange<Int64> = .min ... .max) throws(DocumentError) -> Int64 {
        guard case .integer(let value) = kind else {
            if case .unsigned = kind { throw error("\(described) is too large") }
            throw error("expected a whole number, found \(described)")
        }
        guard range.contains(value) else { throw outOfRange(range) }
        return value
    }

    private func outOfRange(_ range: ClosedRange<Int64>) -> DocumentError {
        if range.upperBound == .max {
            return error("\(described) is too small: \(range.lowerBound) is the least")
        }
        return error("\(described) is not between \(range.lowerBound) and \(range.upperBound)")
    }

    /// `true` or `false`.
    public func bool() throws(DocumentError) -> Bool {
        guard case .bool(let value) = kind else { throw error("expected true or false, found \(described)") }
        return value
    }

    /// A size in bytes: a whole number, or one with a unit as ``ByteCount`` reads it.
    public func byteCount() throws(DocumentError) -> UInt64 {
        switch kind {
        case .integer(let value) where value >= 0: return UInt64(value)
        case .unsigned(let value): return value
        case .string(let text):
            if let bytes = ByteCount.parse(text) { return bytes }
        default: break
        }
        throw error("expected a size such as 512MiB, 10G or a number of bytes, found \(described)")
    }

    /// A length of time as ``DurationText`` reads it.
    public func duration() throws(DocumentError) -> Duration {
        switch kind {
        case .integer(0): return .zero
        case .integer, .unsigned, .number:
            throw error("expected a duration with its unit, such as 300ms, 90s or 24h, found \(described)")
        case .string(let text):
            if let duration = DurationText.parse(text) { return duration }
        default: break
        }
        throw error("expected a duration such as 300ms, 90s, 1h30m or 24h, found \(described)")
    }

    /// The elements of a list.
    public func array() throws(DocumentError) -> [Node] {
        guard case .array(let elements) = kind else { throw error("expected a list, found \(described)") }
        return elements
    }

    /// A list of strings.
    public func strings() throws(DocumentError) -> [String] {
        var strings: [String] = []
        for element in try array() { strings.append(try element.string()) }
        return strings
    }

    /// One of an enumeration's raw values.
    public func choice<Choice: CaseIterable & RawRepresentable<String>>(
        of type: Choice.Type = Choice.self
    ) throws(DocumentError) -> Choice {
        let valid = Choice.allCases.map(\.rawValue)
        let text: String
        if case .string(let value) = kind { text = value } else { text = plainText ?? "" }
        if let choice = Choice(rawValue: text) { return choice }
        let hint = Similarity.nearest(to: text, among: valid).map { "; did you mean '\($0)'?" } ?? ""
        throw error("expected one of \(valid.joined(separator: ", ")), found \(described)\(hint)")
    }

    /// The members of a mapping whose keys are free.
    public func members() throws(DocumentError) -> [Member] {
        guard case .object(let members) = kind else { throw error("expected a mapping, found \(described)") }
        return members
    }

    /// A reader of a mapping whose keys are known.
    public func object() throws(DocumentError) -> ObjectReader { ObjectReader(self, members: try members()) }

    /// The value without its places.
    public var jsonValue: JSONValue {
        switch kind {
        case .null: .null
        case .bool(let value): .bool(value)
        case .integer(let value): .integer(value)
        case .unsigned(let value): .unsigned(value)
        case .number(let value): .number(value)
        case .string(let value): .string(value)
        case .array(let elements): .array(elements.map(\.jsonValue))
        case .object(let members):
            .object(members.reduce(into: [:]) { $0[$1.key] = $1.value.jsonValue })
        }
    }
}
