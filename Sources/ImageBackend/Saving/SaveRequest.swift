public import OCI

/// Which images to save, and how.
public struct SaveRequest: Sendable, Hashable {
    /// What the layers of the archive are.
    public enum Form: Sendable, Hashable {
        /// Tars, which every tool reads.
        case tar(MediaType.Compression)
        /// The blobs themselves (`application/vnd.erofs.layer.v1`): who imports them converts nothing.
        case native
    }

    /// The images, each as for ``Images/inspect(_:)``.
    public var images: [String]
    /// What their layers become.
    public var form: Form

    /// Creates a request.
    public init(_ images: [String], as form: Form) {
        self.images = images
        self.form = form
    }
}

/// What was saved.
public struct SaveReport: Sendable, Hashable, Codable {
    /// A layer.
    public struct Layer: Sendable, Hashable, Codable {
        /// SHA-256 of the uncompressed layer, as the image's config has it.
        public var diffID: Digest
        /// SHA-256 of the uncompressed layer that was written. A tar that is written from a blob holds the same tree as the
        /// one that the blob was made of, but seldom in the same order and spelling.
        public var savedDiffID: Digest
        /// SHA-256 of the layer as it is in the archive.
        public var digest: Digest
        /// What it is in the archive.
        public var mediaType: MediaType
        /// Bytes that it has in the archive.
        public var bytes: UInt64

        /// Whether the archive's layer is another than the image's.
        public var isRewritten: Bool { diffID != savedDiffID }
    }

    /// An image.
    public struct Image: Sendable, Hashable, Codable {
        /// The references that the archive gives it.
        public var references: [String]
        /// The image's digest.
        public var digest: Digest
        /// The digest that it has where the archive is imported.
        public var savedDigest: Digest
        /// Bottom first.
        public var layers: [Layer]
    }

    /// The images, in the order of the request, each once.
    public var images: [Image]
    /// Bytes of the archive.
    public var bytes: UInt64
    /// What had to be left out, in words.
    public var warnings: [String]
}
