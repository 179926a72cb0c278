public import OCI

/// The key of a layer's blob: the layer's diffID, and for a layer that inherits folders from those below it, the
/// SHA-256 of what it inherited. Written `<64 hex>` or `<64 hex>-<64 hex>`.
public struct LayerKey: Hashable, Sendable {
    /// SHA-256 of the uncompressed tar to the end of its stream.
    public let diffID: Digest
    /// SHA-256 of what was inherited from the layers below, if anything was.
    public let inheritance: Digest?

    /// Creates a key.
    public init(diffID: Digest, inheritance: Digest? = nil) {
        self.diffID = diffID
        self.inheritance = inheritance
    }
}

extension LayerKey: LosslessStringConvertible, Codable, Comparable {
    /// Parses the written form; nil for anything else.
    public init?(_ description: String) {
        let parts = description.split(separator: "-", omittingEmptySubsequences: false)
        guard parts.count <= 2, let first = parts.first, let diffID = Digest(hex: first) else { return nil }
        if parts.count == 2 {
            guard let inheritance = Digest(hex: parts[1]) else { return nil }
            self.init(diffID: diffID, inheritance: inheritance)
        } else {
            self.init(diffID: diffID)
        }
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
    public static func < (left: LayerKey, right: LayerKey) -> Bool { left.description < right.description }
}
