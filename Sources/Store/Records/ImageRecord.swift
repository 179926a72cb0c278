public import OCI

/// An image: one platform's manifest and what it is made of.
public struct ImageRecord: Codable, Hashable, Sendable {
    /// A layer of an image.
    public struct Layer: Codable, Hashable, Sendable {
        /// The key of its blob.
        public var key: LayerKey
        /// The digest of the layer as the manifest lists it (often compressed).
        public var digest: Digest
        /// Its size as the manifest lists it.
        public var size: UInt64

        /// Creates a layer.
        public init(key: LayerKey, digest: Digest, size: UInt64) {
            self.key = key
            self.digest = digest
            self.size = size
        }
    }

    /// The digest of the platform's manifest: the image's identity.
    public var digest: Digest
    /// The manifest's bytes, as text.
    public var manifest: String
    /// The image config's digest, an alias of the image.
    public var configDigest: Digest
    /// The image config's bytes, as text.
    public var config: String
    /// Digests of indexes that led here; aliases of the image.
    public var indexDigests: [Digest]
    /// `linux/amd64`.
    public var platform: String
    /// The layers, bottom first.
    public var layers: [Layer]
    /// When the builder says it was made (RFC 3339); nothing where the config says nothing.
    public var created: String?

    /// Creates a record.
    public init(
        digest: Digest,
        manifest: String,
        configDigest: Digest,
        config: String,
        indexDigests: [Digest],
        platform: String,
        layers: [Layer],
        created: String?
    ) {
        self.digest = digest
        self.manifest = manifest
        self.configDigest = configDigest
        self.config = config
        self.indexDigests = indexDigests
        self.platform = platform
        self.layers = layers
        self.created = created
    }
}

/// An image with what refers to it.
public struct StoredImage: Hashable, Sendable, Codable {
    /// The image.
    public var record: ImageRecord
    /// The references that mean it now (the winning claims), sorted.
    public var references: [String]
    /// Sources that pin it, sorted.
    public var pins: [Source]
    /// Names of VMs bound to it, retired ones as `.retired/NAME-TIME`, sorted.
    public var boundVMs: [String]
    /// When the last pin went, on the store's clock; nil while something pins it.
    public var unpinnedAt: StoreTime?
    /// Bytes of all its blobs and boot files.
    public var size: UInt64

    /// Creates a value.
    public init(
        record: ImageRecord,
        references: [String],
        pins: [Source],
        boundVMs: [String],
        unpinnedAt: StoreTime?,
        size: UInt64
    ) {
        self.record = record
        self.references = references
        self.pins = pins
        self.boundVMs = boundVMs
        self.unpinnedAt = unpinnedAt
        self.size = size
    }
}
