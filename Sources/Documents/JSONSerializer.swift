extension JSONValue {
    /// The value as JSON in UTF-8, the same bytes for the same value: keys sorted by their UTF-8, slashes and
    /// other characters not escaped where they need not be. `pretty` indents by two spaces and ends with a newline.
    public func serialized(pretty: Bool) -> [UInt8] {
        var output: [UInt8] = []
        write(to: &output, indentation: pretty ? 0 : nil)
        if pretty { output.append(UInt8(ascii: "\n")) }
        return output
    }

    /// The value as JSON on one line.
    public var text: String { String(decoding: serialized(pretty: false), as: UTF8.self) }

    private func write(to output: inout [UInt8], indentation: Int?) {
        switch self {
        case .null: output += "null".utf8
        case .bool(let value): output += (value ? "true" : "false").utf8
        case .integer(let value): output += String(value).utf8
        case .unsigned(let value): output += String(value).utf8
        // JSON has no infinities.
        case .number(let value): output += (value.isFinite ? "\(value)" : "null").utf8
        case .string(let value): Self.write(value, to: &output)
        case .array(let elements):
            Self.write(elements, brackets: "[]", to: &output, indentation: indentation) {
                element,
                output,
                inner in
                element.write(to: &output, indentation: inner)
            }
        case .object(let members):
            let sorted = members.sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }
            Self.write(sorted, brackets: "{}", to: &output, indentation: indentation) {
                member,
                output,
                inner in
                Self.write(member.key, to: &output)
                output += (inner == nil ? ":" : ": ").utf8
                member.value.write(to: &output, indentation: inner)
            }
        }
    }

    private static func write<Element>(
        _ elements: [Element],
        brackets: String,
        to output: inout [UInt8],
        indentation: Int?,
        _ body: (Element, inout [UInt8], Int?) -> Void
    ) {
        let inner = indentation.map { $0 + 2 }
        func newLine(_ spaces: Int?) {
            guard let spaces else { return }
            output.append(UInt8(ascii: "\n"))
            output += repeatElement(UInt8(ascii: " "), count: spaces)
        }
        output += brackets.utf8.prefix(1)
        for (index, element) in elements.enumerated() {
            if index > 0 { output.append(UInt8(ascii: ",")) }
            newLine(inner)
            body(element, &output, inner)
        }
        if !elements.isEmpty { newLine(indentation) }
        output += brackets.utf8.suffix(1)
    }

    private static func write(_ text: String, to output: inout [UInt8]) {
        output.append(UInt8(ascii: "\""))
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "\""): output += "\\\"".utf8
            case UInt8(ascii: "\\"): output += "\\\\".utf8
            case UInt8(ascii: "\n"): output += "\\n".utf8
            case UInt8(ascii: "\r"): output += "\\r".utf8
            case UInt8(ascii: "\t"): output += "\\t".utf8
            case 0..<0x20:
                let digits = String(byte, radix: 16)
                output += "\\u00\(digits.utf8.count == 1 ? "0" : "")\(digits)".utf8
            default: output.append(byte)
            }
        }
        output.append(UInt8(ascii: "\""))
    }
}
