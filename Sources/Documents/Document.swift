/// Parses YAML and JSON into one tree that knows where everything stands.
public enum Document {
    /// The two formats.
    public enum Format: Sendable, Hashable {
        /// YAML without anchors, aliases, tags and several documents. Only `true` and `false` are booleans, only
        /// decimal numbers without leading zeros are numbers; everything else unquoted is a string.
        case yaml
        /// JSON as RFC 8259 has it, and no key twice.
        case json
    }

    /// How deep lists and mappings may nest.
    public static let maximumDepth = 128

    /// Parses a document. A byte order mark at the start is ignored; an empty YAML document is null.
    ///
    /// - Parameters:
    ///   - bytes: the document in UTF-8.
    ///   - file: the name that errors carry.
    public static func parse(_ bytes: [UInt8], file: String, format: Format) throws(DocumentError) -> Node {
        var content = bytes[...]
        if content.starts(with: [0xEF, 0xBB, 0xBF]) { content = content.dropFirst(3) }
        try checkCharacters(content, file: file, format: format)
        switch format {
        case .yaml: return try YAMLReader(file: file).read(String(decoding: content, as: UTF8.self))
        case .json:
            var parser = JSONParser(content, file: file)
            return try parser.parse()
        }
    }

    /// Refuses bytes that are not UTF-8 and, for YAML, characters that it does not allow (YAML 1.2.2, 5.1).
    private static func checkCharacters(
        _ bytes: ArraySlice<UInt8>,
        file: String,
        format: Format
    ) throws(DocumentError) {
        var decoder = UTF8()
        var iterator = bytes.makeIterator()
        var mark = Mark(line: 1, column: 1)
        while true {
            switch decoder.decode(&iterator) {
            case .emptyInput: return
            case .error: throw DocumentError(file: file, mark: mark, message: "the bytes here are not UTF-8")
            case .scalarValue("\n"): mark = Mark(line: mark.line + 1, column: 1)
            case .scalarValue(let scalar):
                if format == .yaml && !isPrintable(scalar) {
                    throw DocumentError(
                        file: file,
                        mark: mark,
                        message: "the control character \(scalar.hexadecimal) must not stand in YAML"
                    )
                }
                mark.column += 1
            }
        }
    }

    private static func isPrintable(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0x09, 0x0A, 0x0D, 0x20...0x7E, 0x85, 0xA0...0xD7FF, 0xE000...0xFEFE, 0xFF00...0xFFFD,
            0x10000...0x10FFFF:
            true
        default: false
        }
    }
}
