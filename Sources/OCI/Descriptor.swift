/// What a document says of a blob (image-spec, descriptor.md).
public struct Descriptor: Hashable, Sendable, Codable {
    /// The blob's type.
    public var mediaType: MediaType
    /// The digest of the blob's bytes.
    public var digest: Digest
    /// The blob's size in bytes.
    public var size: UInt64
    /// Where else the blob may be had.
    public var urls: [String]?
    /// Whatever its author noted.
    public var annotations: [String: String]?
    /// What a manifest in an index runs on.
    public var platform: Platform?
    /// The type of an artifact that is not an image.
    public var artifactType: String?

    /// Creates a descriptor.
    public init(
        mediaType: MediaType,
        digest: Digest,
        size: UInt64,
        urls: [String]? = nil,
        annotations: [String: String]? = nil,
        platform: Platform? = nil,
        artifactType: String? = nil
    ) {
        self.mediaType = mediaType
        self.digest = digest
        self.size = size
        self.urls = urls
        self.annotations = annotations
        self.platform = platform
        self.artifactType = artifactType
    }

    /// Whether BuildKit wrote it to attest an image rather than to be one.
    public var isAttestation: Bool { annotations?["vnd.docker.reference.type"] == "attestation-manifest" }
}

extension Descriptor {
    /// Decodes a descriptor; a size that is no count of bytes is reported at its place.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        mediaType = try container.decode(MediaType.self, forKey: .mediaType)
        digest = try container.decode(Digest.self, forKey: .digest)
        do {
            size = try container.decode(UInt64.self, forKey: .size)
        } catch let error where !(error is DecodingError) {
            // Foundation throws an error of its own for a number that does not fit, and loses the place.
            throw DecodingError.dataCorrupted(
                .init(
                    codingPath: container.codingPath + [CodingKeys.size],
                    debugDescription: "it is not a size in bytes"
                )
            )
        }
        urls = try container.decodeIfPresent([String].self, forKey: .urls)
        annotations = try container.decodeIfPresent([String: String].self, forKey: .annotations)
        platform = try container.decodeIfPresent(Platform.self, forKey: .platform)
        artifactType = try container.decodeIfPresent(String.self, forKey: .artifactType)
    }
}
