public import OCI
public import Store

/// What to pull and for whom.
public struct PullRequest: Sendable, Hashable {
    /// When the registry is asked.
    public enum Policy: String, Sendable, Codable, CaseIterable {
        /// Only when the store has no image of that name and platform.
        case ifNotPresent = "if-not-present"
        /// Always: a moved tag is followed. An image that did not change costs one request.
        case always
        /// Never: the image comes from elsewhere.
        case never
    }

    /// The image's reference, which is not of `localhost/`.
    public var reference: Reference
    /// The platform it is for; nil for the host's.
    public var platform: Platform?
    /// A further reference that shall mean the image.
    public var alias: Reference?
    /// When the registry is asked.
    public var policy: Policy
    /// Who wants it.
    public var source: Source

    /// Creates a request.
    public init(
        _ reference: Reference,
        platform: Platform? = nil,
        alias: Reference? = nil,
        policy: Policy = .always,
        source: Source
    ) {
        self.reference = reference
        self.platform = platform
        self.alias = alias
        self.policy = policy
        self.source = source
    }

    /// What is claimed for the image.
    public var references: [String] { [reference.description] + (alias.map { [$0.description] } ?? []) }
}

/// What pulling an image came to, beyond the image itself.
public struct PullReport: Sendable, Hashable, Codable {
    /// What the reference means at the registry: the digest of an index or a manifest; nil where it was not asked.
    public var resolved: Digest?
    /// Whether the store had the image, and the source's claims and pin on it, before.
    public var isUnchanged: Bool
    /// Bytes of all layers as the registry has them.
    public var layerBytes: UInt64
    /// Bytes of layers that came over the network; what was there of an earlier try does not count.
    public var bytesFetched: UInt64
    /// Bytes of the blobs that this pull added; 0 when the store had all of them.
    public var bytesAdded: UInt64
    /// Bytes in the blobs that no file uses: data of entries that a later one replaced.
    public var deadBytes: UInt64
    /// What had to be left out, in words.
    public var warnings: [String]

    /// Creates a report.
    public init(
        resolved: Digest?,
        isUnchanged: Bool,
        layerBytes: UInt64 = 0,
        bytesFetched: UInt64 = 0,
        bytesAdded: UInt64 = 0,
        deadBytes: UInt64 = 0,
        warnings: [String] = []
    ) {
        self.resolved = resolved
        self.isUnchanged = isUnchanged
        self.layerBytes = layerBytes
        self.bytesFetched = bytesFetched
        self.bytesAdded = bytesAdded
        self.deadBytes = deadBytes
        self.warnings = warnings
    }
}
