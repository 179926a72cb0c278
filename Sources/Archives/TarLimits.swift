/// What an archive may ask a reader to keep in memory or to believe.
public struct TarLimits: Sendable {
    /// Bytes of a path or link target.
    public var nameBytes = 64 << 10
    /// Bytes of one pax header.
    public var extendedHeaderBytes = 4 << 20
    /// Bytes of one extended attribute's value (Linux' XATTR_SIZE_MAX).
    public var xattrValueBytes = 64 << 10
    /// Bytes of all extended attributes of one entry, names included.
    public var xattrTotalBytes = 1 << 20
    /// Stretches of data in one sparse file.
    public var sparseSegments = 1 << 20
    /// Bytes of content of one entry, holes included.
    public var entryBytes: UInt64 = 16 << 40
    /// Entries in the archive; nil is no limit.
    public var entries: UInt64?

    /// The default limits.
    public init() {}

    /// The default limits.
    public static let `default` = TarLimits()
}
