import OCI

/// The file name of an item's receipt.
public enum ReceiptName {
    /// The ending of a receipt.
    public static let ending = ".json"
    /// Longest file name of Linux' file systems, in bytes.
    private static let limit = 255

    /// The item's name with every byte but letters, digits and `-._@+=,` written as `%XX`, and `.json` after it.
    /// Where that would be too long: its start, `~`, and the SHA-256 of the item's name.
    public static func of(_ item: String) -> String {
        let encoded = item.utf8.map(encode).joined()
        guard encoded.utf8.count + ending.utf8.count > limit else { return encoded + ending }
        // `~` is never in an encoded name, so the two forms cannot meet.
        return "\(encoded.prefix(120))~\(Digest.sha256(of: item.utf8).hex)\(ending)"
    }

    private static func encode(_ byte: UInt8) -> String {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"):
            return String(UnicodeScalar(byte))
        default:
            let character = UnicodeScalar(byte)
            if "-._@+=,".unicodeScalars.contains(character) { return String(character) }
            let hex = String(byte, radix: 16, uppercase: true)
            return "%" + (hex.count == 1 ? "0" + hex : hex)
        }
    }
}
