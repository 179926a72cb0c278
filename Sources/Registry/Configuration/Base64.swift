import Foundation

/// Base 64 (RFC 4648, 4).
enum Base64 {
    static func encode(_ bytes: [UInt8]) -> String { Data(bytes).base64EncodedString() }

    /// The bytes; nil for what is no base 64. Missing padding and line ends are forgiven.
    static func decode(_ text: String) -> [UInt8]? {
        let digits = text.filter { !$0.isWhitespace && $0 != "=" }
        let padding = String(repeating: "=", count: (4 - digits.count % 4) % 4)
        return Data(base64Encoded: digits + padding).map(Array.init)
    }
}
