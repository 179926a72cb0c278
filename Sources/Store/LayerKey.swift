public import OCI

/// The key of a layer's blob: the layer's diffID, and for a layer that inherits folders from those below it, the
/// SHA-256 of what it inherited; for one that came as an EROFS image, a fixed one. Written `<64 hex>` or
/// `<64 hex>-<64 hex>`.
public struct LayerKey: Hashable, Sendable {
    /// SHA-256 of the uncompressed layer: of a tar to the end of its stream.
    public let diffID: Digest
    /// SHA-256 of what was inherited from the layers below, if anything was.
    public let inheritance: Digest?

    /// Creates a key.
    public init(diffID: Digest, inheritance: Digest? = nil) {
        self.diffID = diffID
        self.inheritance = inheritance
    }
}

extension LayerKey {
    /// The key of a layer that came as an EROFS image: the image's own digest, in a name space apart from that of tars.
    ///
    /// Nothing proves which tar such an image was made of, and the same bytes may read as a tar of other files. So it
    /// never has a tar's key, and no tar has its: whoever brings either cannot choose what the other means.
    ///
    /// - Parameters:
    ///   - image: SHA-256 of the uncompressed EROFS image.
    ///   - hasOpaqueRoot: whether its descriptor says that nothing below it shows, which the image itself does not.
    public init(native image: Digest, hasOpaqueRoot: Bool) {
        self.init(diffID: image, inheritance: hasOpaqueRoot ? Self.nativeOpaque : Self.native)
    }

    /// Whether the layer came as an EROFS image.
    public var isNative: Bool { inheritance == Self.native || inheritance == Self.nativeOpaque }

    // No inheritance has these digests: the text of one begins otherwise.
    private static let native = Digest.sha256(of: Array("slipway native layer 1\n".utf8))
    private static let nativeOpaque = Digest.sha256(of: Array("slipway native layer 1\nopaque\n".utf8))
}

extension LayerKey: LosslessStringConvertible, Codable, Comparable {
    /// Parses the written form; nil for anything else.
    public init?(_ description: String) {
        let end = description.utf8.index(
            description.startIndex,
            offsetBy: 64,
            limitedBy: description.endIndex
        )
        guard let end, let diffID = Digest(hex: description[..<end]) else { return nil }
        guard end != description.endIndex else {
            self.init(diffID: diffID)
            return
        }
        guard description.utf8[end] == UInt8(ascii: "-"),
            let inheritance = Digest(hex: description[description.utf8.index(after: end)...])
        else { return nil }
        self.init(diffID: diffID, inheritance: inheritance)
    }

    /// The written form.
    public var description: String { inheritance.map { "\(diffID.hex)-\($0.hex)" } ?? diffID.hex }

    /// Decodes the written form.
    public init(from decoder: any Decoder) throws {
        let text = try decoder.singleValueContainer().decode(String.self)
        guard let key = LayerKey(text) else {
            throw DecodingError.dataCorrupted(
                .init(codingPath: decoder.codingPath, debugDescription: "'\(text)' is not a layer key")
            )
        }
        self = key
    }

    /// Encodes the written form.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }

    /// The order of the written forms.
    public static func < (left: LayerKey, right: LayerKey) -> Bool {
        guard left.diffID == right.diffID else { return left.diffID < right.diffID }
        guard let inherited = right.inheritance else { return false }
        return left.inheritance.map { $0 < inherited } ?? true
    }
}
