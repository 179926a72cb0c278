/// The fields of an inode on disk, compact (32 bytes) or extended (64 bytes).
struct InodeFields: Equatable {
    var kind: NodeKind
    var layout: Format.Layout
    var permissions: UInt16
    var userID: UInt32
    var groupID: UInt32
    var modified: Timestamp
    var size: UInt64
    var links: UInt32
    /// What `i_u` holds, by layout: first block, number of compressed blocks, device number or chunk format.
    var union: UInt32
    /// A number for 32-bit stat(2), unique in the image.
    var number: UInt32
    /// `i_xattr_icount`: the words of extended attributes behind the inode, 0 without any.
    var xattrCount: UInt16

    /// Where the link count lies in each form, for patching it.
    static let compactLinksOffset = 6
    static let extendedLinksOffset = 44
    /// Where ``number`` lies in both.
    static let numberOffset = 20

    /// Whether the 32-byte form can carry all this.
    func isCompact(epoch: Timestamp) -> Bool {
        modified == epoch && userID <= UInt16.max && groupID <= UInt16.max && links <= UInt16.max
            && size <= UInt32.max
    }

    func encode(compact: Bool, at base: UnsafeMutableRawPointer) {
        base.store(UInt16(compact ? 0 : 1) | (layout.rawValue << 1), at: 0)
        base.store(xattrCount, at: 2)
        base.store(kind.modeBits | (permissions & 0o7777), at: 4)
        if compact {
            base.store(UInt16(truncatingIfNeeded: links), at: Self.compactLinksOffset)
            base.store(UInt32(truncatingIfNeeded: size), at: 8)
            base.store(UInt32(0), at: 12)
            base.store(union, at: 16)
            base.store(number, at: Self.numberOffset)
            base.store(UInt16(truncatingIfNeeded: userID), at: 24)
            base.store(UInt16(truncatingIfNeeded: groupID), at: 26)
            base.store(UInt32(0), at: 28)
        } else {
            base.store(UInt16(0), at: 6)
            base.store(size, at: 8)
            base.store(union, at: 16)
            base.store(number, at: Self.numberOffset)
            base.store(userID, at: 24)
            base.store(groupID, at: 28)
            base.store(modified.seconds, at: 32)
            base.store(modified.nanoseconds, at: 40)
            base.store(links, at: Self.extendedLinksOffset)
            base.store(UInt64(0), at: 48)
            base.store(UInt64(0), at: 56)
        }
    }

    /// Reads an inode; nil where the buffer is too short, or where type or layout are unknown.
    init?(decoding bytes: UnsafeRawBufferPointer, epoch: Timestamp) {
        guard let format: UInt16 = bytes.integer(at: 0), format >> 4 == 0,
            let layout = Format.Layout(rawValue: (format >> 1) & 7),
            let xattrCount: UInt16 = bytes.integer(at: 2),
            let mode: UInt16 = bytes.integer(at: 4), let kind = NodeKind(mode: mode),
            let union: UInt32 = bytes.integer(at: 16),
            let number: UInt32 = bytes.integer(at: Self.numberOffset)
        else { return nil }
        self.kind = kind
        self.layout = layout
        self.permissions = mode & 0o7777
        self.union = union
        self.number = number
        self.xattrCount = xattrCount
        if format & 1 == 0 {
            guard let links: UInt16 = bytes.integer(at: Self.compactLinksOffset),
                let size: UInt32 = bytes.integer(at: 8),
                let user: UInt16 = bytes.integer(at: 24), let group: UInt16 = bytes.integer(at: 26),
                bytes.count >= Format.compactInodeSize
            else { return nil }
            self.links = UInt32(links)
            self.size = UInt64(size)
            self.userID = UInt32(user)
            self.groupID = UInt32(group)
            self.modified = epoch
        } else {
            guard let size: UInt64 = bytes.integer(at: 8), let user: UInt32 = bytes.integer(at: 24),
                let group: UInt32 = bytes.integer(at: 28), let seconds: Int64 = bytes.integer(at: 32),
                let nanoseconds: UInt32 = bytes.integer(at: 40),
                let links: UInt32 = bytes.integer(at: Self.extendedLinksOffset),
                bytes.count >= Format.extendedInodeSize
            else { return nil }
            self.links = links
            self.size = size
            self.userID = user
            self.groupID = group
            self.modified = Timestamp(seconds: seconds, nanoseconds: nanoseconds)
        }
    }

    init(
        kind: NodeKind,
        layout: Format.Layout,
        attributes: Attributes,
        size: UInt64,
        links: UInt32,
        union: UInt32,
        number: UInt32,
        xattrCount: UInt16
    ) {
        self.kind = kind
        self.layout = layout
        permissions = attributes.permissions
        userID = attributes.userID
        groupID = attributes.groupID
        modified = attributes.modified
        self.size = size
        self.links = links
        self.union = union
        self.number = number
        self.xattrCount = xattrCount
    }
}
