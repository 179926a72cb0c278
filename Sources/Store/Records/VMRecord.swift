public import OCI

/// A VM's binding to an image: its layers stay as long as the record does.
public struct VMRecord: Hashable, Sendable, Codable {
    /// `web-1`, or `.retired/web-1-20260101T000000Z` once retired: the folder's path below `vms/`.
    public var name: String
    /// The request file's name in the requests folder.
    public var request: String
    /// SHA-256 of the request last rendered.
    public var requestDigest: Digest
    /// The reference as the request wrote it.
    public var reference: String
    /// The image it is bound to.
    public var image: Digest
    /// The layers it is bound to, bottom first.
    public var keys: [LayerKey]
    /// The merged disk that it boots from, by ``MergedRecord/id``; nil for one that has a disk for each layer.
    public var merged: Digest?
    /// Since when the request is gone, on the store's clock.
    public var absentSince: StoreTime?
    /// Since when it is retired, on the store's clock.
    public var retiredAt: StoreTime?

    /// Creates a record.
    public init(
        name: String,
        request: String,
        requestDigest: Digest,
        reference: String,
        image: Digest,
        keys: [LayerKey],
        merged: Digest? = nil,
        absentSince: StoreTime? = nil,
        retiredAt: StoreTime? = nil
    ) {
        self.name = name
        self.request = request
        self.requestDigest = requestDigest
        self.reference = reference
        self.image = image
        self.keys = keys
        self.merged = merged
        self.absentSince = absentSince
        self.retiredAt = retiredAt
    }
}
