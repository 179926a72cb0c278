/// A content digest as OCI writes it (image-spec, descriptor.md, "Digests"): `sha256:` and 64 lower-case hex digits.
///
/// Only SHA-256 is taken: it is what every builder and registry writes, and what the store's keys are made of.
public struct Digest: Hashable, Sendable {
    /// The 64 lower-case hex digits.
    public let hex: String

    /// Creates a digest from 64 lower-case hex digits; nil for anything else.
    public init?(hex: some StringProtocol) {
        guard hex.utf8.count == 64, hex.utf8.allSatisfy({ (48...57).contains($0) || (97...102).contains($0) })
        else { return nil }
        self.hex = String(hex)
    }

    /// Creates a digest from its 32 bytes.
    public init(bytes: some Collection<UInt8>) {
        precondition(bytes.count == 32, "a SHA-256 has 32 bytes")
        let digits = Array("0123456789abcdef".utf8)
        hex = String(decoding: bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
    }

    /// The digest of bytes in memory.
    public static func sha256(of bytes: some Sequence<UInt8>) -> Digest {
        let hasher = SHA256()
        let content = Array(bytes)
        content.withUnsafeBytes { hasher.update($0) }
        return hasher.finalize()
    }

    /// The 32 bytes.
    public var bytes: [UInt8] {
        let digits = Array(hex.utf8).map { $0 < 58 ? $0 - 48 : $0 - 87 }
        return stride(from: 0, to: 64, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
    }
}

extension Digest: LosslessStringConvertible, Codable, Comparable {
    /// Parses `sha256:<hex>`; nil for anything else.
    public init?(_ description: String) {
        guard description.hasPrefix("sha256:") else { return nil }
        self.init(hex: description.dropFirst(7))
    }

    /// `sha256:<hex>`.
    public var description: String { "sha256:\(hex)" }

    /// Decodes `sha256:<hex>`.
    public init(from decoder: any Decoder) throws {
        let text = try decoder.singleValueContainer().decode(String.self)
        guard let digest = Digest(text) else {
            throw DecodingError.dataCorrupted(
                .init(codingPath: decoder.codingPath, debugDescription: "'\(text)' is not a sha256 digest")
            )
        }
        self = digest
    }

    /// Encodes `sha256:<hex>`.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }

    /// Orders by the hex digits.
    public static func < (left: Digest, right: Digest) -> Bool { left.hex < right.hex }
}
