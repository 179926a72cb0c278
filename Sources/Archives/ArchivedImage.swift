public import OCI

/// An image in an archive of images.
public struct ArchivedImage: Sendable {
    /// Full references that the archive gives it (annotations, RepoTags), as written; may be none.
    public internal(set) var references: [String]
    /// A bare tag that an OCI layout gives it where it gives no reference (`org.opencontainers.image.ref.name`).
    public let tag: String?
    /// The platform manifest's bytes; nil in a docker-archive.
    public let manifestBytes: [UInt8]?
    /// The platform manifest's digest; nil in a docker-archive.
    public let manifestDigest: Digest?
    /// The image config's bytes.
    public let configBytes: [UInt8]
    /// The image config's digest.
    public let configDigest: Digest
    /// The image config.
    public let config: ImageConfig
    /// The layers, bottom first.
    public let layers: [ArchivedLayer]
}

/// A layer in an archive of images. Its bytes are not verified: whoever reads them compares digest and diffID.
public struct ArchivedLayer: Sendable, Hashable {
    /// The digest of the bytes as they are in the archive; nil where the archive does not say (docker-archive).
    public let digest: Digest?
    /// The digest of the uncompressed tar.
    public let diffID: Digest
    /// What the manifest says it is; nil in a docker-archive.
    public let mediaType: MediaType?
    /// What the manifest notes beside it; nil in a docker-archive.
    public let annotations: [String: String]?
    /// The name in the archive.
    public let path: String
    /// Where in the file it begins.
    public let offset: UInt64
    /// Its bytes in the archive.
    public let size: UInt64

    /// The digest of a member that an OCI layout names after it; nil for any other name, which may say anything.
    public static func digest(inPath path: String) -> Digest? {
        path.hasPrefix("blobs/sha256/") ? DockerManifest.digest(inName: path) : nil
    }
}
