/// Numbers in the grammar of RFC 8259, section 6.
enum JSONNumber {
    /// The number, if all of `text` is one that can be held.
    static func parse(_ text: [UInt8]) -> Node.Kind? {
        guard let shape = shape(of: text) else { return nil }
        let string = String(decoding: text, as: UTF8.self)
        if shape == .whole {
            if let value = Int64(string) { return .integer(value) }
            if let value = UInt64(string) { return .unsigned(value) }
        }
        guard let value = Double(string), value.isFinite else { return nil }
        return .number(value)
    }

    private enum Shape { case whole, fractional }

    /// `-? (0 | [1-9][0-9]*) (. [0-9]+)? ([eE] [+-]? [0-9]+)?`
    private static func shape(of text: [UInt8]) -> Shape? {
        var rest = text[...]
        func digits() -> Int? {
            let count = rest.prefix { (48...57).contains($0) }.count
            return count == 0 ? nil : count
        }
        if rest.first == UInt8(ascii: "-") { rest = rest.dropFirst() }
        guard let whole = digits(), whole == 1 || rest.first != UInt8(ascii: "0") else { return nil }
        rest = rest.dropFirst(whole)
        if rest.isEmpty { return .whole }
        if rest.first == UInt8(ascii: ".") {
            rest = rest.dropFirst()
            guard let count = digits() else { return nil }
            rest = rest.dropFirst(count)
        }
        if rest.first == UInt8(ascii: "e") || rest.first == UInt8(ascii: "E") {
            rest = rest.dropFirst()
            if rest.first == UInt8(ascii: "+") || rest.first == UInt8(ascii: "-") { rest = rest.dropFirst() }
            guard let count = digits() else { return nil }
            rest = rest.dropFirst(count)
        }
        return rest.isEmpty ? .fractional : nil
    }
}
