/// A regular file between its first and its last segment, on the side that writes the image.
struct OpenFile {
    /// A stretch of the file that is contiguous in the image, or a hole.
    struct Run {
        var length: UInt64
        /// The first block; nil for a hole.
        var block: UInt32?
    }

    /// What a large file has of its index in the image before the file ends.
    struct ReservedIndex {
        /// Where the inode was given its place, and the blocks behind it.
        var offset: UInt64
        var size: UInt64
        /// The bytes of the index that are written.
        var written: UInt64 = 0
    }

    /// Files beyond this size have the place of their index reserved before their data, so that it need not be kept:
    /// half a megabyte for each gigabyte.
    static let reservingSize: UInt64 = 4 << 30

    let inode: UInt32
    let size: UInt64
    let attributes: Attributes
    let inlineLimit: Int
    let xattrs: [UInt8]
    let xattrCount: UInt16
    /// The block of the first byte, when all lies in order.
    var firstBlock: UInt32 = 0
    /// The bytes of the file that were taken so far.
    var position: UInt64 = 0
    /// The data blocks so far.
    var blocks: UInt64 = 0
    /// The index, once a segment was compressed.
    var index: CompactIndex?
    var reserved: ReservedIndex?
    /// The last cluster, when it stands beside the index, and its bytes.
    var tail: (cluster: Tail, bytes: [UInt8])?
    /// Data and holes, once there was a hole.
    var runs: [Run] = []

    init(_ part: Part, xattrs: [UInt8], xattrCount: UInt16) {
        inode = part.inode
        size = part.size
        attributes = part.attributes
        inlineLimit = part.inlineLimit
        self.xattrs = xattrs
        self.xattrCount = xattrCount
    }
}

/// What stands beside the inode of a compressed file, and where: the map header, the index and perhaps the tail.
struct CompressedItem {
    /// The bytes from the inode's start to the map header.
    let headerOffset: Int
    /// To the index.
    var indexOffset: Int { headerOffset + MapHeader.size }

    init(inodeSize: Int, xattrSize: Int) { headerOffset = align(inodeSize + xattrSize, to: 8) }

    /// The bytes from the inode's start to the end of its index.
    func indexEnd(fileSize: UInt64) -> UInt64 {
        let count = CompactIndex.entryCount(size: fileSize)
        return UInt64(indexOffset) + CompactLayout(start: indexOffset % 32, count: count).size
    }

    /// The room for a tail, which must not cross a block: beside the index where both fit into a block with the
    /// inode, else in the last block of the index.
    static func tailRoom(fileSize: UInt64, xattrSize: Int) -> Int {
        let block = UInt64(Format.blockSize)
        let item = CompressedItem(inodeSize: Format.extendedInodeSize, xattrSize: xattrSize)
        let end = item.indexEnd(fileSize: fileSize)
        if end <= block { return Int(block - end) }
        // Shared attributes take less than is known when the tail is made.
        return xattrSize > 0 ? 0 : Int((block - end % block) % block)
    }
}
