extension EntryPath: Comparable {
    /// Appends the path as text: absolute, every byte but the visible ones of ASCII as `%XX`, and `%` itself too.
    func encode(into text: inout [UInt8]) {
        if components.isEmpty { text.append(UInt8(ascii: "/")) }
        for component in components {
            text.append(UInt8(ascii: "/"))
            for byte in component {
                if byte > 0x20, byte < 0x7F, byte != UInt8(ascii: "%") {
                    text.append(byte)
                } else {
                    text += [UInt8(ascii: "%"), Self.digits[Int(byte >> 4)], Self.digits[Int(byte & 15)]]
                }
            }
        }
    }

    /// The path of such a text; nil for anything else.
    init?(encoded text: ArraySlice<UInt8>) {
        guard text.first == UInt8(ascii: "/") else { return nil }
        var bytes: [UInt8] = []
        var index = text.startIndex
        while index < text.endIndex {
            guard text[index] == UInt8(ascii: "%") else {
                bytes.append(text[index])
                index += 1
                continue
            }
            guard index + 2 < text.endIndex, let high = Self.digits.firstIndex(of: text[index + 1]),
                let low = Self.digits.firstIndex(of: text[index + 2])
            else { return nil }
            bytes.append(UInt8(high << 4 | low))
            index += 3
        }
        guard let path = try? EntryPath(bytes) else { return nil }
        self = path
    }

    private static let digits = Array("0123456789ABCDEF".utf8)

    /// The path for a message.
    var printable: String { String(printable: components.joined(separator: [UInt8(ascii: "/")])) }

    /// By components, so that a folder comes right before what is in it.
    static func < (left: EntryPath, right: EntryPath) -> Bool {
        left.components.lexicographicallyPrecedes(right.components) { $0.lexicographicallyPrecedes($1) }
    }
}
