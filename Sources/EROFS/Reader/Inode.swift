/// An inode as an image has it.
public struct Inode: Equatable, Sendable {
    /// Its address: slots of 32 bytes from the start of the metadata area.
    public let nid: UInt64
    let fields: InodeFields
    /// The byte of the image at which the inode begins, and that behind its fixed fields.
    let offset: UInt64
    let fixedEnd: UInt64

    /// Its type.
    public var kind: NodeKind { fields.kind }
    /// The permission bits with setuid, setgid and sticky.
    public var permissions: UInt16 { fields.permissions }
    /// The owner.
    public var userID: UInt32 { fields.userID }
    /// The group.
    public var groupID: UInt32 { fields.groupID }
    /// The last change of the content.
    public var modified: Timestamp { fields.modified }
    /// The size in bytes.
    public var size: UInt64 { fields.size }
    /// The number of names; of a folder, two more than it has folders in it.
    public var links: UInt32 { fields.links }
    /// A number that says where the inode comes among those of its image, as ``ImageWriter`` gives them out.
    public var number: UInt32 { fields.number }
    /// The device number, for devices.
    public var device: (major: UInt32, minor: UInt32) {
        let number = DeviceNumber(encoded: fields.union)
        return (number.major, number.minor)
    }
    /// Whether the data is compressed.
    public var isCompressed: Bool { fields.layout == .compressedFull || fields.layout == .compressedCompact }
    /// Whether the inode has the short form of 32 bytes.
    public var isCompact: Bool { fixedEnd - offset == UInt64(Format.compactInodeSize) }
    /// Whether the end of the data stands beside the inode.
    public var isInline: Bool { fields.layout == .flatInline }

    /// The bytes of the extended attributes behind the fixed fields.
    var xattrSize: Int {
        fields.xattrCount == 0 ? 0 : Format.xattrHeaderSize + (Int(fields.xattrCount) - 1) * 4
    }
    var bodyOffset: UInt64 { fixedEnd + UInt64(xattrSize) }
}

/// A name in a folder.
public struct DirectoryEntry: Equatable, Sendable {
    /// The name's bytes.
    public let name: [UInt8]
    /// The inode's address.
    public let nid: UInt64
    /// The type that the folder gives for it.
    public let kind: NodeKind
}
