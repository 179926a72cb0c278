public import OCI

/// An image as a registry has it: its documents, verified, and where its layers are.
public struct RemoteImage: Sendable, Hashable {
    /// What was asked for.
    public let reference: Reference
    /// What the tag means: the digest of the index, or of the manifest where there is no index.
    public var digest: Digest { indexDigests.first ?? manifestDigest }
    /// The indexes that led to the manifest, the outermost first; none where the tag means a manifest.
    public let indexDigests: [Digest]
    /// The platform manifest's digest.
    public let manifestDigest: Digest
    /// Its bytes as the registry has them.
    public let manifestBytes: [UInt8]
    /// The platform manifest.
    public let manifest: Manifest
    /// The config's digest.
    public var configDigest: Digest { manifest.config.digest }
    /// Its bytes as the registry has them.
    public let configBytes: [UInt8]
    /// The image config.
    public let config: ImageConfig
    /// What the image runs on, by its config or, where that is silent, by the index.
    public let platform: Platform
    /// The layers, bottom first.
    public let layers: [RemoteLayer]
}

/// A layer as a registry has it.
public struct RemoteLayer: Sendable, Hashable {
    /// What its bytes are.
    public enum Kind: Sendable, Hashable {
        /// A tar, compressed or not.
        case tar(MediaType.Compression)
        /// An EROFS image, compressed or not.
        case erofs(MediaType.Compression)
    }

    /// Type, digest and size of the bytes that are fetched.
    public let descriptor: Descriptor
    /// The digest of the uncompressed bytes, as the config has it.
    public let diffID: Digest
    /// What its bytes are.
    public let kind: Kind
    /// Where else than at the registry a layer is that may not be handed on; none for others.
    public let urls: [String]

    /// Creates a layer.
    public init(descriptor: Descriptor, diffID: Digest, kind: Kind, urls: [String] = []) {
        self.descriptor = descriptor
        self.diffID = diffID
        self.kind = kind
        self.urls = urls
    }
}
