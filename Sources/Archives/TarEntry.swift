/// One entry of a tar archive, its extended headers applied.
public struct TarEntry: Sendable {
    /// What an entry is.
    public enum Kind: Sendable, Hashable {
        case regular, hardLink, symbolicLink, characterDevice, blockDevice, directory, fifo
    }

    /// The name as the archive has it: any bytes but NUL, possibly absolute, with `..`, or a trailing slash.
    public var path: [UInt8]
    /// What it is.
    public var kind: Kind
    /// What a symbolic or hard link points to, as the archive has it; empty otherwise.
    public var linkTarget: [UInt8]
    /// Permission bits with setuid, setgid and sticky.
    public var permissions: UInt16
    /// Owner.
    public var userID: UInt32
    /// Group.
    public var groupID: UInt32
    /// Bytes of content, holes of a sparse file included; 0 unless regular.
    public var size: UInt64
    /// Last change of content, seconds since 1970; negative before.
    public var modifiedSeconds: Int64
    /// Nanoseconds to add to the seconds, always forward in time.
    public var modifiedNanoseconds: UInt32
    /// Major number of a device.
    public var deviceMajor: UInt32
    /// Minor number of a device.
    public var deviceMinor: UInt32
    /// Extended attributes, each name once, in the archive's order.
    public var xattrs: [(name: [UInt8], value: [UInt8])]
    /// Whether the content has holes that the archive does not store.
    public var isSparse: Bool
    /// Bytes of content in holes that the archive does not store.
    public var holeBytes: UInt64 = 0
    /// Where in the stream its header lies.
    public var offset: UInt64

    /// Creates an entry.
    public init(
        path: [UInt8],
        kind: Kind,
        linkTarget: [UInt8] = [],
        permissions: UInt16 = 0o644,
        userID: UInt32 = 0,
        groupID: UInt32 = 0,
        size: UInt64 = 0,
        modifiedSeconds: Int64 = 0,
        modifiedNanoseconds: UInt32 = 0,
        deviceMajor: UInt32 = 0,
        deviceMinor: UInt32 = 0,
        xattrs: [(name: [UInt8], value: [UInt8])] = [],
        isSparse: Bool = false,
        offset: UInt64 = 0
    ) {
        self.path = path
        self.kind = kind
        self.linkTarget = linkTarget
        self.permissions = permissions
        self.userID = userID
        self.groupID = groupID
        self.size = size
        self.modifiedSeconds = modifiedSeconds
        self.modifiedNanoseconds = modifiedNanoseconds
        self.deviceMajor = deviceMajor
        self.deviceMinor = deviceMinor
        self.xattrs = xattrs
        self.isSparse = isSparse
        self.offset = offset
    }
}

/// How an archive ended.
public enum EndOfArchive: Sendable, Hashable {
    /// With two blocks of zeros, as it must.
    case blocks
    /// The stream stopped after an entry, or after one such block: it may have been cut there.
    case missing
}
