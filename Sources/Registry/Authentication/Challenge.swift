/// One challenge of a `WWW-Authenticate` field (RFC 9110, 11.6.1).
struct Challenge: Hashable, Sendable {
    /// The scheme in lower case: `basic`, `bearer`.
    var scheme: String
    /// Parameters by their names in lower case; the first of a name holds.
    var parameters: [String: String] = [:]

    /// The challenges of all fields of a response. What breaks the grammar ends its field.
    static func parse(_ fields: [String]) -> [Challenge] {
        fields.flatMap { field in
            var parser = ChallengeParser(bytes: Array(field.utf8))
            return parser.parse()
        }
    }
}

private struct ChallengeParser {
    let bytes: [UInt8]
    var position = 0

    init(bytes: [UInt8]) { self.bytes = bytes }

    mutating func parse() -> [Challenge] {
        var challenges: [Challenge] = []
        while true {
            skip { $0 == UInt8(ascii: ",") || Self.isSpace($0) }
            guard let scheme = token() else { return challenges }
            var challenge = Challenge(scheme: scheme.lowercased())
            skip(Self.isSpace)
            parameters(&challenge)
            challenges.append(challenge)
        }
    }

    /// Reads `name=value` pairs until what follows is no pair but another challenge.
    private mutating func parameters(_ challenge: inout Challenge) {
        while true {
            let start = position
            skip { $0 == UInt8(ascii: ",") || Self.isSpace($0) }
            guard let name = token() else {
                position = bytes.count
                return
            }
            skip(Self.isSpace)
            guard peek == UInt8(ascii: "=") else {
                position = start
                // A scheme stands right where this one's parameters would: only after a comma is it another.
                if !bytes[start...].drop(while: Self.isSpace).starts(with: [UInt8(ascii: ",")]) {
                    skip { $0 != UInt8(ascii: ",") }
                }
                return
            }
            position += 1
            skip(Self.isSpace)
            guard let value = peek == UInt8(ascii: "\"") ? quoted() : token() ?? "" else {
                position = bytes.count
                return
            }
            // The padding of a token68 such as `Negotiate YII=` looks like an empty value; what is left of it goes.
            skip { $0 == UInt8(ascii: "=") }
            if challenge.parameters[name.lowercased()] == nil {
                challenge.parameters[name.lowercased()] = value
            }
            skip(Self.isSpace)
        }
    }

    private var peek: UInt8? { position < bytes.count ? bytes[position] : nil }

    private mutating func skip(_ matches: (UInt8) -> Bool) {
        while let byte = peek, matches(byte) { position += 1 }
    }

    private mutating func token() -> String? {
        let start = position
        skip(Self.isTokenByte)
        return start == position ? nil : String(decoding: bytes[start..<position], as: UTF8.self)
    }

    private mutating func quoted() -> String? {
        position += 1
        var value: [UInt8] = []
        while let byte = peek {
            position += 1
            if byte == UInt8(ascii: "\"") { return String(decoding: value, as: UTF8.self) }
            if byte == UInt8(ascii: "\\"), let escaped = peek {
                position += 1
                value.append(escaped)
            } else {
                value.append(byte)
            }
        }
        return nil
    }

    private static func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 }

    /// RFC 9110, 5.6.2; the slash of token68 besides.
    private static func isTokenByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "z"),
            UInt8(ascii: "A")...UInt8(ascii: "Z"):
            true
        default: "!#$%&'*+-.^_`|~/:".utf8.contains(byte)
        }
    }
}
