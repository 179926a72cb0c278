/// One image for one platform (image-spec, manifest.md; Docker's image manifest version 2, schema 2).
public struct Manifest: Hashable, Sendable, Codable {
    /// Always 2.
    public var schemaVersion = 2
    /// The document's type; older OCI builders leave it out.
    public var mediaType: MediaType?
    /// The type of an artifact that is not an image.
    public var artifactType: String?
    /// The image configuration.
    public var config: Descriptor
    /// The layers, bottom first.
    public var layers: [Descriptor]
    /// The manifest that this one is about.
    public var subject: Descriptor?
    /// Whatever its author noted.
    public var annotations: [String: String]?

    /// Creates a manifest.
    public init(
        mediaType: MediaType? = .ociManifest,
        config: Descriptor,
        layers: [Descriptor],
        annotations: [String: String]? = nil
    ) {
        self.mediaType = mediaType
        self.config = config
        self.layers = layers
        self.annotations = annotations
    }

    /// Reads a manifest; an index, a manifest of schema 1 and a document that is two things at once are refused by name.
    public init(json: [UInt8]) throws(MalformedDocument) {
        switch try ManifestDocument(json: json) {
        case .manifest(let manifest): self = manifest
        case .index:
            throw MalformedDocument(
                kind: "image manifest",
                problem: "it is an index of several manifests, not one image's manifest"
            )
        }
    }
}
