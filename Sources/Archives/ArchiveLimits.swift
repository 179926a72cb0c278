/// Bounds on what an archive of images may hold. The defaults are beyond every honest one.
public struct ArchiveLimits: Sendable, Hashable {
    /// Members of an archive.
    public var members: Int
    /// Images, or indexes of them, that an archive lists.
    public var images: Int
    /// Bytes of an archive that is compressed as a whole, or comes through a pipe, once it is unpacked.
    public var bytes: UInt64

    /// Creates limits.
    public init(members: Int = 20_000, images: Int = 1000, bytes: UInt64 = 1 << 40) {
        self.members = members
        self.images = images
        self.bytes = bytes
    }

    /// What a compressed archive may come to.
    var decompression: DecompressionLimits {
        DecompressionLimits(outputBytes: bytes, outputSetting: "store.limits.archiveBytes")
    }
}
