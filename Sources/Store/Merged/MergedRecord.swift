public import OCI

/// A disk that holds all layers of an image as a guest sees them, as the index and its sidecar know it.
///
/// It can be made anew from its layers at any time, so losing one loses nothing.
public struct MergedRecord: Codable, Hashable, Sendable {
    /// The keys of the image's layers, bottom first: all of them, also those without entries.
    public var keys: [LayerKey]
    /// SHA-256 of the EROFS image.
    public var sha256: Digest
    /// Size of the EROFS image in bytes.
    public var size: UInt64
    /// Entries below the root.
    public var entries: Int
    /// The lowest Linux version that mounts it, as `5.4`.
    public var minimumGuestKernel: String
    /// Who wrote it: `slipway 0.1.0`.
    public var writer: String
    /// The options it was written with, in one canonical line.
    public var options: String

    /// Creates a record.
    public init(
        keys: [LayerKey],
        sha256: Digest,
        size: UInt64,
        entries: Int,
        minimumGuestKernel: String,
        writer: String,
        options: String
    ) {
        self.keys = keys
        self.sha256 = sha256
        self.size = size
        self.entries = entries
        self.minimumGuestKernel = minimumGuestKernel
        self.writer = writer
        self.options = options
    }

    /// What the disk is known by.
    public var id: Digest { Self.id(of: keys) }

    /// The SHA-256 of the keys, bottom first, each in its written form with a newline behind it.
    public static func id(of keys: [LayerKey]) -> Digest {
        .sha256(of: Array(keys.map { "\($0)\n" }.joined().utf8))
    }
}

/// What lies beside a merged disk: enough to rebuild its row.
struct MergedSidecar: Codable, Equatable {
    static let schema = 1
    /// The form of this document.
    var schema = MergedSidecar.schema
    /// The disk.
    var record: MergedRecord
}
