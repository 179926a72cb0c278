import ImageBackend

/// What this program is.
enum Version {
    /// The version of the product, the one that blobs record as their writer's.
    static let text = slipwayVersion
}
