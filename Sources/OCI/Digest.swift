/// A content digest as OCI writes it (image-spec, descriptor.md, "Digests"): `sha256:` and 64 lower-case hex digits.
///
/// Only SHA-256 is taken: it is what every builder and registry writes, and what the store's keys are made of.
public struct Digest: Hashable, Sendable {
    // The 32 bytes inline, the first in the highest bits: a host with many VMs holds tens of thousands of digests.
    private let word0, word1, word2, word3: UInt64

    /// Creates a digest from 64 lower-case hex digits; nil for anything else.
    public init?(hex: some StringProtocol) {
        let parsed = hex.utf8.withContiguousStorageIfAvailable { Digest(digits: $0) }
        guard let digest = parsed ?? Array(hex.utf8).withUnsafeBufferPointer({ Digest(digits: $0) }) else {
            return nil
        }
        self = digest
    }

    private init?(digits: UnsafeBufferPointer<UInt8>) {
        guard digits.count == 64 else { return nil }
        var isHex = true
        func word(at start: Int) -> UInt64 {
            var word: UInt64 = 0
            for digit in digits[start..<(start + 16)] {
                switch digit {
                case 48...57: word = word << 4 | UInt64(digit - 48)
                case 97...102: word = word << 4 | UInt64(digit - 87)
                default: isHex = false
                }
            }
            return word
        }
        (word0, word1, word2, word3) = (word(at: 0), word(at: 16), word(at: 32), word(at: 48))
        guard isHex else { return nil }
    }

    /// Creates a digest from its 32 bytes.
    public init(bytes: some Collection<UInt8>) {
        precondition(bytes.count == 32, "a SHA-256 has 32 bytes")
        var rest = bytes.makeIterator()
        func word() -> UInt64 { (0..<8).reduce(0) { word, _ in word << 8 | UInt64(rest.next() ?? 0) } }
        (word0, word1, word2, word3) = (word(), word(), word(), word())
    }

    /// The digest of bytes in memory.
    public static func sha256(of bytes: some Sequence<UInt8>) -> Digest {
        let hasher = SHA256()
        let content = Array(bytes)
        content.withUnsafeBytes { hasher.update($0) }
        return hasher.finalize()
    }

    /// The 64 lower-case hex digits.
    public var hex: String {
        String(unsafeUninitializedCapacity: 64) { digits in
            for place in 0..<64 {
                let byte = self[place / 2]
                let nibble = place % 2 == 0 ? byte >> 4 : byte & 15
                digits[place] = nibble < 10 ? nibble + 48 : nibble + 87
            }
            return 64
        }
    }

    /// The 32 bytes.
    public var bytes: [UInt8] { (0..<32).map { self[$0] } }

    private subscript(position: Int) -> UInt8 {
        let word =
            switch position / 8 {
            case 0: word0
            case 1: word1
            case 2: word2
            default: word3
            }
        return UInt8(truncatingIfNeeded: word >> (56 - 8 * UInt64(position % 8)))
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
    public static func < (left: Digest, right: Digest) -> Bool {
        (left.word0, left.word1, left.word2, left.word3) < (
            right.word0, right.word1, right.word2, right.word3
        )
    }
}
