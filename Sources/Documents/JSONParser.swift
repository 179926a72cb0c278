/// A strict JSON parser (RFC 8259) that knows where it is.
struct JSONParser {
    private let bytes: [UInt8]
    private let file: String
    private var position = 0
    private var line = 1
    /// The offset of the current line's first byte.
    private var lineStart = 0

    /// A parser of valid UTF-8.
    init(_ bytes: some Collection<UInt8>, file: String) {
        self.bytes = Array(bytes)
        self.file = file
    }

    mutating func parse() throws(DocumentError) -> Node {
        let root = try value(path: "", depth: 0)
        skipSpace()
        guard position == bytes.count else { throw error("nothing may follow the value", path: "") }
        return root
    }

    // MARK: Places

    private var mark: Mark {
        // Continuation bytes of UTF-8 do not start a character.
        let column = bytes[lineStart..<min(position, bytes.count)].count { $0 & 0xC0 != 0x80 } + 1
        return Mark(line: line, column: column)
    }

    private func error(_ message: String, path: String, at place: Mark? = nil) -> DocumentError {
        DocumentError(file: file, mark: place ?? mark, keyPath: path, message: message)
    }

    private var next: UInt8? { position < bytes.count ? bytes[position] : nil }

    private mutating func skipSpace() {
        while let byte = next {
            switch byte {
            case UInt8(ascii: "\n"):
                line += 1
                lineStart = position + 1
            case UInt8(ascii: " "), UInt8(ascii: "\t"), UInt8(ascii: "\r"): break
            default: return
            }
            position += 1
        }
    }

    // MARK: Values

    private mutating func value(path: String, depth: Int) throws(DocumentError) -> Node {
        skipSpace()
        guard depth <= Document.maximumDepth else {
            throw error("nested deeper than \(Document.maximumDepth) levels", path: path)
        }
        let start = mark
        guard let first = next else { throw error("the document ends where a value is expected", path: path) }
        let kind: Node.Kind
        switch first {
        case UInt8(ascii: "{"): kind = .object(try members(path: path, depth: depth))
        case UInt8(ascii: "["): kind = .array(try elements(path: path, depth: depth))
        case UInt8(ascii: "\""): kind = .string(try string(path: path))
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): kind = try number(path: path)
        default: kind = try word(path: path)
        }
        return Node(kind, mark: start, path: path, file: file)
    }

    private mutating func members(path: String, depth: Int) throws(DocumentError) -> [Node.Member] {
        position += 1
        var members: [Node.Member] = []
        var keys: Set<String> = []
        skipSpace()
        if next == UInt8(ascii: "}") {
            position += 1
            return []
        }
        while true {
            skipSpace()
            let keyMark = mark
            guard next == UInt8(ascii: "\"") else {
                throw error("expected a key in double quotes", path: path)
            }
            let key = try string(path: path)
            let keyPath = KeyPath.member(key, of: path)
            guard keys.insert(key).inserted else {
                throw error("this key stands here a second time", path: keyPath, at: keyMark)
            }
            skipSpace()
            guard next == UInt8(ascii: ":") else { throw error("expected ':' after the key", path: keyPath) }
            position += 1
            let value = try value(path: keyPath, depth: depth + 1)
            members.append(Node.Member(key: key, keyMark: keyMark, value: value))
            if try isLast(closing: UInt8(ascii: "}"), path: path) { return members }
        }
    }

    private mutating func elements(path: String, depth: Int) throws(DocumentError) -> [Node] {
        position += 1
        var elements: [Node] = []
        skipSpace()
        if next == UInt8(ascii: "]") {
            position += 1
            return []
        }
        while true {
            elements.append(try value(path: KeyPath.element(elements.count, of: path), depth: depth + 1))
            if try isLast(closing: UInt8(ascii: "]"), path: path) { return elements }
        }
    }

    /// Takes a comma (false) or the closing bracket (true).
    private mutating func isLast(closing: UInt8, path: String) throws(DocumentError) -> Bool {
        skipSpace()
        switch next {
        case closing:
            position += 1
            return true
        case UInt8(ascii: ","):
            position += 1
            skipSpace()
            if next == closing {
                throw error("a comma must not stand before the closing bracket", path: path)
            }
            return false
        default:
            throw error("expected ',' or '\(Character(Unicode.Scalar(closing)))'", path: path)
        }
    }

    private mutating func number(path: String) throws(DocumentError) -> Node.Kind {
        let start = position
        let text = bytes[position...].prefix { (48...57).contains($0) || "+-.eE".utf8.contains($0) }
        guard let kind = JSONNumber.parse(Array(text)) else {
            let written = String(decoding: text.prefix(40), as: UTF8.self)
            throw error("'\(written)' is not a number in JSON, or too large for one", path: path)
        }
        position = start + text.count
        return kind
    }

    private mutating func word(path: String) throws(DocumentError) -> Node.Kind {
        let text = bytes[position...].prefix { (97...122).contains($0) || (65...90).contains($0) }
        switch String(decoding: text, as: UTF8.self) {
        case "true":
            position += 4
            return .bool(true)
        case "false":
            position += 5
            return .bool(false)
        case "null":
            position += 4
            return .null
        case let word:
            let found = word.isEmpty ? "this character" : "'\(word.prefix(40))'"
            throw error("\(found) is not a JSON value; text needs double quotes", path: path)
        }
    }

    // MARK: Strings

    private mutating func string(path: String) throws(DocumentError) -> String {
        let start = mark
        position += 1
        var text: [UInt8] = []
        while let byte = next {
            switch byte {
            case UInt8(ascii: "\""):
                position += 1
                return String(decoding: text, as: UTF8.self)
            case UInt8(ascii: "\\"): text += String(try escape(path: path)).utf8
            case 0..<0x20:
                let name = Unicode.Scalar(byte).hexadecimal
                throw error("the control character \(name) must be escaped in a JSON string", path: path)
            default:
                text.append(byte)
                position += 1
            }
        }
        throw error("the string is not closed", path: path, at: start)
    }

    private mutating func escape(path: String) throws(DocumentError) -> Unicode.Scalar {
        let start = mark
        position += 1
        guard let byte = next else { throw error("the string is not closed", path: path) }
        position += 1
        switch byte {
        case UInt8(ascii: "\""): return "\""
        case UInt8(ascii: "\\"): return "\\"
        case UInt8(ascii: "/"): return "/"
        case UInt8(ascii: "b"): return "\u{8}"
        case UInt8(ascii: "f"): return "\u{C}"
        case UInt8(ascii: "n"): return "\n"
        case UInt8(ascii: "r"): return "\r"
        case UInt8(ascii: "t"): return "\t"
        case UInt8(ascii: "u"):
            let unit = try codeUnit(path: path, start: start)
            if let scalar = Unicode.Scalar(unit) { return scalar }
            // A surrogate: the first of a pair must be followed by the second.
            if unit < 0xDC00, next == UInt8(ascii: "\\"), position + 1 < bytes.count,
                bytes[position + 1] == UInt8(ascii: "u")
            {
                position += 2
                let low = try codeUnit(path: path, start: start)
                if (0xDC00...0xDFFF).contains(low),
                    let scalar = Unicode.Scalar(0x10000 + (unit - 0xD800) << 10 + (low - 0xDC00))
                {
                    return scalar
                }
            }
            throw error("half of a surrogate pair", path: path, at: start)
        default:
            throw error("JSON has no such escape", path: path, at: start)
        }
    }

    private mutating func codeUnit(path: String, start: Mark) throws(DocumentError) -> UInt32 {
        let digits = bytes[position...].prefix(4)
        guard digits.count == 4, digits.allSatisfy({ Character(Unicode.Scalar($0)).isHexDigit }),
            let value = UInt32(String(decoding: digits, as: UTF8.self), radix: 16)
        else { throw error("\\u needs four hexadecimal digits", path: path, at: start) }
        position += 4
        return value
    }
}
