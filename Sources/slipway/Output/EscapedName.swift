/// Bytes of a name as one harmless word of a line: what is no UTF-8, is invisible, ends lines or directs a terminal is
/// escaped, and so is the backslash, so that no two names look alike.
struct EscapedName: CustomStringConvertible {
    let description: String

    init(_ bytes: some Collection<UInt8>) {
        var text = ""
        var rest = Array(bytes)[...]
        while let first = rest.first {
            let length = first < 0x80 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4
            let scalars = String(validating: rest.prefix(length), as: UTF8.self)?.unicodeScalars
            guard let scalar = scalars?.first, scalars?.count == 1 else {
                text += Self.escape(first)
                rest = rest.dropFirst()
                continue
            }
            rest = rest.dropFirst(length)
            switch scalar.properties.generalCategory {
            case .control: text += Self.escape(first)
            case .format, .lineSeparator, .paragraphSeparator, .surrogate, .privateUse, .unassigned:
                text += "\\u{\(String(scalar.value, radix: 16))}"
            default: text += scalar == "\\" ? "\\\\" : String(scalar)
            }
        }
        description = text
    }

    private static func escape(_ byte: UInt8) -> String {
        switch byte {
        case UInt8(ascii: "\n"): "\\n"
        case UInt8(ascii: "\t"): "\\t"
        default: "\\x" + (byte < 16 ? "0" : "") + String(byte, radix: 16)
        }
    }
}
