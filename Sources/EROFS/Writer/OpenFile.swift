/// A regular file between its first and its last segment, on the side that writes the image.
struct OpenFile {
    /// A stretch of the file that is contiguous in the image, or a hole.
    struct Run {
        var length: UInt64
        /// The first block; nil for a hole.
        var block: UInt32?
    }

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
    var index: ClusterIndex?
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

/// The index of a compressed file (`z_erofs_lcluster_index`): one entry of eight bytes for each 4 KiB of the file.
struct ClusterIndex {
    /// Where the inode was given its place, when its index is too long to be packed with others.
    var reserved: (offset: UInt64, size: UInt64)?
    /// The bytes from the inode's start to the first entry.
    var offsetInItem: Int
    let isBigCluster: Bool
    /// Entries that are not written yet: all of them, unless the place is reserved.
    private(set) var pending: [UInt64] = []
    private var written: UInt64 = 0

    init(isBigCluster: Bool, reserved: (offset: UInt64, size: UInt64)?, offsetInItem: Int) {
        self.isBigCluster = isBigCluster
        self.reserved = reserved
        self.offsetInItem = offsetInItem
    }

    static func entryCount(size: UInt64) -> UInt64 {
        (size + UInt64(Format.blockSize) - 1) >> UInt64(Format.blockBits)
    }

    /// Describes a cluster that begins at a position of the file and lies in the image from `block` on.
    mutating func add(_ cluster: Cluster, at position: UInt64, block: UInt32, fileSize: UInt64) {
        let end = position + UInt64(cluster.length)
        let first = position >> UInt64(Format.blockBits)
        let next = end >> UInt64(Format.blockBits)
        let type = cluster.isPlain ? Format.ClusterType.plain : Format.ClusterType.head
        add(
            type,
            offset: position,
            UInt16(truncatingIfNeeded: block),
            UInt16(truncatingIfNeeded: block >> 16)
        )
        var distance: UInt64 = 1
        while first + distance < next {
            // The first continuation tells the cluster's size instead of its distance, which is 1.
            let back =
                distance == 1 && isBigCluster ? cluster.blocks | Format.blockCountFlag : UInt16(distance)
            add(Format.ClusterType.continuation, offset: 0, back, UInt16(next - first - distance))
            distance += 1
        }
        // The end of a file within 4 KiB that began with this cluster: an entry that begins nothing.
        if end == fileSize && next > first && end % UInt64(Format.blockSize) != 0 {
            add(Format.ClusterType.plain, offset: end, 0, 0)
        }
    }

    private mutating func add(_ type: UInt16, offset: UInt64, _ low: UInt16, _ high: UInt16) {
        let within = offset & UInt64(Format.blockSize - 1)
        pending.append(UInt64(type) | within << 16 | UInt64(low) << 32 | UInt64(high) << 48)
    }

    /// Writes what is pending to the reserved place; without one it stays pending.
    mutating func flush(_ output: ImageOutput) throws(EROFSError) {
        guard let reserved, !pending.isEmpty else { return }
        for index in pending.indices { pending[index] = pending[index].littleEndian }
        let offset = reserved.offset + UInt64(offsetInItem) + written * UInt64(Format.indexEntrySize)
        let outcome = pending.withUnsafeBytes { bytes in
            Result { () throws(EROFSError) in try output.patch(bytes, at: offset) }
        }
        try outcome.get()
        written += UInt64(pending.count)
        pending.removeAll(keepingCapacity: true)
    }
}
