import Host

/// Looks at one inode after another: its fields, its extended attributes, and that what it points at is there.
struct InodeCheck: ~Copyable {
    /// Bytes that compressed data was expanded to so far.
    private(set) var expandedBytes: UInt64 = 0

    private let image: ImageReader
    private let check: ImageCheck
    /// Slots of 32 bytes that belong to an inode, its index or its tail, to a folder, or to the superblock.
    private var slots = SparseBitmap()
    /// The slots at which inodes begin.
    private var starts = SparseBitmap()
    private var xattrs: XattrCheck
    /// The size of the packed inode, once it is checked.
    private var packedSize: UInt64 = 0
    private let scratch = ScratchBuffer()

    init(_ image: ImageReader, _ check: ImageCheck) throws(EROFSError) {
        self.image = image
        self.check = check
        xattrs = XattrCheck(image, isAllowed: check.isAttributeAllowed)
        guard image.superblock.epoch.nanoseconds < 1_000_000_000 else {
            throw .corrupt("the superblock's time has \(image.superblock.epoch.nanoseconds) nanoseconds")
        }
        guard Int(image.superblock.clusterBlocks) <= ClusterIndexReader.maximumBlocks else {
            throw .corrupt("the superblock announces clusters of \(image.superblock.clusterBlocks) blocks")
        }
        _ = slots.insert(Self.slots(UInt64(Superblock.offset), UInt64(image.superblock.end)))
    }

    /// Checks the inode that small files are packed into, which has no name.
    mutating func checkPacked() throws(EROFSError) {
        guard image.superblock.packedNID != 0 else { return }
        let inode = try image.inode(image.superblock.packedNID)
        _ = try PackedInode(image)
        _ = try check(inode)
        packedSize = inode.size
    }

    /// Checks an inode, and returns how many bytes its extended attributes have.
    mutating func check(_ inode: Inode) throws(EROFSError) -> Int {
        guard starts.insert(inode.offset / UInt64(Format.slotSize)) else {
            throw .corrupt(
                inode.kind == .directory
                    ? "the folder \(inode.nid) has a name already"
                    : "inode \(inode.nid) has more names than its link count says"
            )
        }
        guard inode.modified.nanoseconds < 1_000_000_000 else {
            throw .corrupt("inode \(inode.nid) has a time with \(inode.modified.nanoseconds) nanoseconds")
        }
        let attributeBytes = try xattrs.check(inode)
        switch inode.kind {
        case .regular, .directory, .symbolicLink: try checkData(inode)
        case .characterDevice, .blockDevice, .fifo, .socket: try claim(inode, to: inode.bodyOffset)
        }
        if inode.kind == .symbolicLink { try checkTarget(inode) }
        return attributeBytes
    }

    // MARK: What belongs to an inode

    private static func slots(_ start: UInt64, _ end: UInt64) -> Range<UInt64> {
        let size = UInt64(Format.slotSize)
        return start / size..<(end + size - 1) / size
    }

    /// Marks the inode with all that stands beside it as taken.
    private mutating func claim(_ inode: Inode, to end: UInt64) throws(EROFSError) {
        guard end <= image.size else { throw .corrupt("inode \(inode.nid) runs over the end of the image") }
        var start = inode.offset
        while start < end {
            if check.cancellation?.isCancelled == true { throw .cancelled }
            let part = min(end, start + 1 << 30)
            guard slots.insert(Self.slots(start, part)) else {
                throw .corrupt("inode \(inode.nid) overlaps another, a folder or the superblock")
            }
            start = part
        }
    }

    /// Marks a block of a folder as taken: folders with common blocks would be walked as often as there are folders.
    ///
    /// - Parameter offset: where the block begins in the folder.
    mutating func claimBlock(of folder: Inode, at offset: UInt64) throws(EROFSError) {
        let blockSize = UInt64(Format.blockSize)
        // The tail belongs to the inode.
        guard !folder.isInline || offset + blockSize <= folder.size else { return }
        let start = UInt64(folder.fields.union) * blockSize + offset
        guard slots.insert(Self.slots(start, start + blockSize)) else {
            throw .corrupt("the entries of the folder \(folder.nid) overlap other metadata")
        }
    }

    // MARK: Data

    private mutating func checkData(_ inode: Inode) throws(EROFSError) {
        switch inode.fields.layout {
        case .flatPlain, .flatInline: try checkFlat(inode)
        case .chunkBased: try checkChunks(inode)
        case .compressedFull, .compressedCompact: try checkClusters(inode)
        }
    }

    private mutating func checkFlat(_ inode: Inode) throws(EROFSError) {
        let blockSize = UInt64(Format.blockSize)
        let tail = inode.isInline ? inode.size % blockSize : 0
        let body = inode.size - tail
        let start = UInt64(inode.fields.union) * blockSize
        let (end, overflow) = start.addingReportingOverflow(body)
        guard body == 0 || (!overflow && align(end, to: blockSize) <= image.size) else {
            throw .corrupt("the \(body) bytes of inode \(inode.nid) at \(start) lie beyond the image")
        }
        guard inode.bodyOffset % blockSize + tail <= blockSize else {
            throw .corrupt("the tail of inode \(inode.nid) crosses a block")
        }
        try claim(inode, to: inode.bodyOffset + tail)
    }

    private mutating func checkChunks(_ inode: Inode) throws(EROFSError) {
        try require(Format.IncompatibleFeature.chunkedFile, "chunks", inode)
        guard inode.kind == .regular else {
            throw .unsupported("inode \(inode.nid), a \(inode.kind), is stored in chunks")
        }
        let chunks = try ChunkTable(image, inode)
        try claim(inode, to: chunks.metadataEnd)
        try chunks.forEach { (address, length) throws(EROFSError) in
            if check.cancellation?.isCancelled == true { throw .cancelled }
            guard let address else { return }
            let blockSize = UInt64(Format.blockSize)
            guard UInt64(address) * blockSize + align(length, to: blockSize) <= image.size else {
                throw .corrupt("a chunk of inode \(inode.nid) lies beyond the image")
            }
        }
    }

    private mutating func checkClusters(_ inode: Inode) throws(EROFSError) {
        guard inode.kind != .directory else { throw .unsupported("the folder \(inode.nid) is compressed") }
        let clusters = try ClusterReader(image, inode)
        try require(Format.IncompatibleFeature.zeroPadding, "compressed data", inode)
        if clusters.header.isBigCluster {
            try require(Format.IncompatibleFeature.bigCluster, "clusters larger than a block", inode)
        }
        if clusters.header.inlineSize > 0 {
            try require(Format.IncompatibleFeature.tailPacking, "a tail beside its index", inode)
        }
        if clusters.header.wholeFragment != nil
            || clusters.header.advise & MapHeader.Advise.fragmentTail != 0
        {
            try require(Format.IncompatibleFeature.fragments, "data in the packed inode", inode)
        }
        try claim(inode, to: clusters.metadataEnd)
        var position: UInt64 = 0
        var last: LocatedCluster?
        while position < inode.size {
            if check.cancellation?.isCancelled == true { throw .cancelled }
            let cluster = try clusters.cluster(at: position)
            guard cluster.start == position else {
                throw .corrupt("the clusters of inode \(inode.nid) overlap at byte \(position)")
            }
            if case .fragment(let start) = cluster.storage {
                // The packed inode is checked once, for all that lie in it.
                guard start <= packedSize, cluster.length <= packedSize - start else {
                    throw .corrupt("inode \(inode.nid) lies beyond the packed inode")
                }
                if clusters.header.wholeFragment != nil { return }
            }
            // A reader may come in at any block: the index has to lead all of them to the same cluster.
            var block = align(position + 1, to: UInt64(Format.blockSize))
            while block < cluster.end {
                guard try clusters.cluster(at: block) == cluster else {
                    throw .corrupt("the index of inode \(inode.nid) disagrees with itself at byte \(block)")
                }
                block += UInt64(Format.blockSize)
            }
            // The zeros of a large hole may be one cluster many times.
            if last?.imageOffset != cluster.imageOffset || last?.length != cluster.length {
                try expand(cluster, clusters, inode)
            }
            last = cluster
            position = cluster.end
        }
    }

    private mutating func expand(
        _ cluster: LocatedCluster,
        _ clusters: ClusterReader,
        _ inode: Inode
    ) throws(EROFSError) {
        guard cluster.imageOffset <= image.size, UInt64(cluster.imageSize) <= image.size - cluster.imageOffset
        else { throw .corrupt("a cluster of inode \(inode.nid) lies beyond the image") }
        switch cluster.storage {
        case .fragment: return
        case .plain:
            guard cluster.length <= UInt64(cluster.imageSize) else {
                throw .corrupt("a plain cluster of inode \(inode.nid) is longer than its blocks")
            }
            // With a block more than its bytes fill it may begin anywhere in the first.
            let blockSize = UInt64(Format.blockSize)
            guard UInt64(cluster.imageSize) <= align(cluster.length, to: blockSize) + blockSize else {
                throw .corrupt(
                    "a plain cluster of inode \(inode.nid) has \(cluster.imageSize) bytes of blocks for "
                        + "\(cluster.length)"
                )
            }
            return
        case .lz4: break
        }
        guard cluster.imageSize <= image.superblock.largestCluster else {
            throw .corrupt(
                "a cluster of inode \(inode.nid) has \(cluster.imageSize) bytes, the superblock announces "
                    + "\(image.superblock.largestCluster)"
            )
        }
        expandedBytes += cluster.length
        if let limit = check.limits.expandedBytes, expandedBytes > limit {
            throw .limitExceeded("its compressed data expands to more than \(limit) bytes")
        }
        try clusters.expand(cluster, into: scratch.bytes(Int(cluster.length)))
    }

    private func checkTarget(_ inode: Inode) throws(EROFSError) {
        guard (1...UInt64(Format.maximumTargetLength)).contains(inode.size) else {
            throw .corrupt("the symbolic link \(inode.nid) has \(inode.size) bytes; Linux follows 1 to 4095")
        }
        guard try !image.target(of: inode).contains(0) else {
            throw .corrupt("the target of the symbolic link \(inode.nid) contains a NUL byte")
        }
    }

    /// A kernel refuses, or misreads, what the superblock does not announce.
    private func require(_ feature: UInt32, _ what: String, _ inode: Inode) throws(EROFSError) {
        guard image.superblock.incompatibleFeatures & feature != 0 else {
            throw .corrupt("inode \(inode.nid) has \(what), which the superblock does not announce")
        }
    }
}
