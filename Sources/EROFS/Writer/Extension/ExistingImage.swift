import Glibc
import Host

/// Where the root's inode lies in the first block, and how far it may reach.
struct RootPlace {
    /// The inode's byte in the first block.
    var offset: Int
    /// The bytes from there on that are the root's: inode, extended attributes and inline entries.
    var room: Int
    /// Whether an image that is extended has its root there already, so that what names the root stays right.
    var isKept = false
}

/// A finished image that an ``ImageWriter`` goes on writing: all of it stays as it is but the first block.
struct ExistingImage {
    /// The image as it was.
    let reader: ImageReader
    /// Its first block.
    let firstBlock: [UInt8]
    /// Where the image ends, a multiple of 4,096.
    let end: UInt64
    /// Where the new root goes.
    let root: RootPlace
    /// How many names each inode had, by its number in the tree. The tree's further inodes are new.
    private(set) var links: [UInt32] = []

    /// Opens the image.
    ///
    /// - Throws: ``EROFSError/unsupported(_:)`` for an image whose inodes do not count from its first byte.
    init(file: File) throws(EROFSError) {
        reader = try ImageReader(file: file)
        guard reader.superblock.metadataBlock == 0 else {
            throw .unsupported("the image's inodes begin at block \(reader.superblock.metadataBlock), not 0")
        }
        firstBlock = try reader.read(0, Format.blockSize)
        do { end = align(try file.status().size, to: UInt64(Format.blockSize)) } catch { throw .file(error) }
        root = try Self.rootPlace(reader, firstBlock)
    }

    /// Fills an empty tree with the image's names. Of inodes that are no folders nothing is read: their places do.
    mutating func load(into tree: inout Tree, _ cancellation: Cancellation?) throws(EROFSError) {
        var seen: Set<UInt64> = [reader.root]
        var files: [UInt64: UInt32] = [:]
        var stack: [(entry: UInt32, inode: Inode)] = [(Tree.root, try reader.inode(reader.root))]
        try tree.setExisting(stack[0].inode, attributes: attributes(of: stack[0].inode), entry: Tree.root)
        while let (parent, folder) = stack.popLast() {
            if cancellation?.isCancelled == true { throw .cancelled }
            for entry in try reader.entries(of: folder) {
                let byte = entry.nid * UInt64(Format.slotSize)
                if entry.kind == .directory {
                    guard seen.insert(entry.nid).inserted else {
                        throw .corrupt("the folder \(entry.nid) lies in two folders")
                    }
                    let child = try reader.inode(entry.nid)
                    guard child.kind == .directory else {
                        throw .corrupt("inode \(entry.nid) is listed as a folder and is none")
                    }
                    let name = try link(entry.name, in: parent, to: tree.addInode(.directory), &tree)
                    try tree.setExisting(child, attributes: attributes(of: child), entry: name)
                    stack.append((name, child))
                } else if let known = files[entry.nid] {
                    _ = try link(entry.name, in: parent, to: known, &tree)
                } else {
                    let inode = tree.addInode(entry.kind)
                    files[entry.nid] = inode
                    _ = try link(entry.name, in: parent, to: inode, &tree)
                    tree.place(inode, at: InodeLocation(byte: byte), isCompact: false, bytes: 0)
                }
            }
        }
        links = tree.inodes.elements.map(\.links)
        tree.markUnchanged()
    }

    private func link(
        _ name: [UInt8],
        in parent: UInt32,
        to inode: UInt32,
        _ tree: inout Tree
    ) throws(EROFSError) -> UInt32 {
        try withBytes(name) { (bytes) throws(EROFSError) in try tree.link(bytes, in: parent, to: inode) }
    }

    private func attributes(of folder: Inode) throws(EROFSError) -> Attributes {
        Attributes(folder, xattrs: try reader.xattrs(of: folder))
    }

    /// The root stays where it is if nothing follows it in the first block, as in what ``ImageWriter`` writes. Other
    /// writers put more inodes there; then it goes into the 1,024 bytes before the superblock, which the format
    /// leaves to boot loaders. Not at byte 0: an inode with the address 0 has no place in a listing.
    private static func rootPlace(_ reader: ImageReader, _ block: [UInt8]) throws(EROFSError) -> RootPlace {
        let inode = try reader.inode(reader.root)
        let tail = inode.isInline ? inode.size % UInt64(Format.blockSize) : 0
        let end = inode.bodyOffset + tail
        if inode.offset >= Superblock.offset, end <= Format.blockSize,
            block[Int(end)...].allSatisfy({ $0 == 0 })
        {
            let offset = Int(inode.offset)
            return RootPlace(offset: offset, room: Format.blockSize - offset, isKept: true)
        }
        let offset = 2 * Format.slotSize
        return RootPlace(offset: offset, room: Superblock.offset - offset)
    }

    /// The first block with the place of the new root empty.
    func newFirstBlock() -> UnsafeMutableRawBufferPointer {
        let block = UnsafeMutableRawBufferPointer.allocate(byteCount: Format.blockSize, alignment: 4096)
        block.copyBytes(from: firstBlock)
        memset(block.baseAddress.unsafelyUnwrapped + root.offset, 0, root.room)
        return block
    }
}

extension Attributes {
    /// What an inode of an image carries.
    public init(_ inode: Inode, xattrs: [ExtendedAttribute]) {
        self.init(
            permissions: inode.permissions,
            userID: inode.userID,
            groupID: inode.groupID,
            modified: inode.modified,
            xattrs: xattrs
        )
    }
}

extension Tree {
    /// Takes over a folder of a finished image, with its place and number there.
    mutating func setExisting(_ folder: Inode, attributes: Attributes, entry: UInt32) throws(EROFSError) {
        let inode = Int(entries[Int(entry)].inode)
        guard let index = self.folder(of: entry) else { throw .misuse("a folder that is none") }
        setAttributes(attributes, ofFolder: UInt32(index))
        inodes[inode].location = InodeLocation(byte: folder.offset)
        inodes[inode].isPlaced = true
        folders[index].number = folder.number
    }

    /// Notes that everything is as the image has it.
    mutating func markUnchanged() {
        for index in 0..<folders.count { folders[index].isChanged = false }
    }
}
