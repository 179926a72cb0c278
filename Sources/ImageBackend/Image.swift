public import OCI
public import Store

/// An image as the backend shows it. Encodes as the JSON of `slipway image inspect`.
public struct Image: Sendable, Hashable, Codable {
    /// A layer.
    public struct Layer: Sendable, Hashable, Codable {
        /// SHA-256 of the uncompressed tar.
        public var diffID: Digest
        /// The blob's key.
        public var key: LayerKey
        /// The digest the manifest lists.
        public var digest: Digest
        /// The blob's absolute path.
        public var path: String
        /// The blob's size in bytes.
        public var bytes: UInt64

        /// Creates a layer.
        public init(diffID: Digest, key: LayerKey, digest: Digest, path: String, bytes: UInt64) {
            self.diffID = diffID
            self.key = key
            self.digest = digest
            self.path = path
            self.bytes = bytes
        }
    }

    /// References that mean it now.
    public var references: [String]
    /// The platform manifest's digest.
    public var digest: Digest
    /// The config's digest.
    public var configDigest: Digest
    /// `linux/amd64`.
    public var platform: String
    /// Bottom first.
    public var layers: [Layer]
    /// The kernel's absolute path; nil when the image has none.
    public var kernel: String?
    /// The initramfs' absolute path; nil when the image has none.
    public var initrd: String?
    /// Bytes of blobs and boot files.
    public var size: UInt64
    /// When the builder says it was made.
    public var created: String?
    /// Who pins it.
    public var pins: [Source]
    /// VMs bound to it.
    public var boundVMs: [String]
    /// What came of reading the input, for a receipt; nil where nothing was read.
    public var imported: ImportReport?
    /// What came of pulling it, for a receipt; nil where it was not pulled just now.
    public var pulled: PullReport?

    /// Creates an image.
    public init(
        references: [String],
        digest: Digest,
        configDigest: Digest,
        platform: String,
        layers: [Layer],
        kernel: String?,
        initrd: String?,
        size: UInt64,
        created: String?,
        pins: [Source],
        boundVMs: [String],
        imported: ImportReport? = nil,
        pulled: PullReport? = nil
    ) {
        self.references = references
        self.digest = digest
        self.configDigest = configDigest
        self.platform = platform
        self.layers = layers
        self.kernel = kernel
        self.initrd = initrd
        self.size = size
        self.created = created
        self.pins = pins
        self.boundVMs = boundVMs
        self.imported = imported
        self.pulled = pulled
    }
}
