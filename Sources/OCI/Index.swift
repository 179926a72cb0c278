/// A list of manifests, one per platform (image-spec, image-index.md; Docker's manifest list).
public struct Index: Hashable, Sendable, Codable {
    /// Always 2.
    public var schemaVersion = 2
    /// The document's type; older OCI builders leave it out.
    public var mediaType: MediaType?
    /// The type of an artifact that is not an image.
    public var artifactType: String?
    /// The manifests, in the author's order.
    public var manifests: [Descriptor]
    /// Whatever its author noted.
    public var annotations: [String: String]?

    /// Creates an index.
    public init(
        mediaType: MediaType? = .ociIndex,
        manifests: [Descriptor],
        annotations: [String: String]? = nil
    ) {
        self.mediaType = mediaType
        self.manifests = manifests
        self.annotations = annotations
    }

    /// Reads an index; a manifest and a document that is two things at once are refused by name.
    public init(json: [UInt8]) throws(MalformedDocument) {
        switch try ManifestDocument(json: json) {
        case .index(let index): self = index
        case .manifest:
            throw MalformedDocument(kind: "image index", problem: "it is one image's manifest, not an index")
        }
    }

    /// The entry that suits a platform best, the first of equals; nil when none runs there.
    ///
    /// Attestations and entries without a platform are never chosen.
    public func manifest(for platform: Platform) -> Descriptor? {
        let ranked = manifests.compactMap { entry -> (rank: Int, entry: Descriptor)? in
            guard !entry.isAttestation, let offered = entry.platform,
                let rank = platform.preference(for: offered)
            else { return nil }
            return (rank, entry)
        }
        return ranked.min { $0.rank < $1.rank }?.entry
    }

    /// The platforms it holds images for, in the author's order.
    public var platforms: [Platform] { manifests.filter { !$0.isAttestation }.compactMap(\.platform) }
}
