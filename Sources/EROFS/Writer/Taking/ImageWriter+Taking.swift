import Host

/// Files of other images, taken over in the form that they have there where that form is one of ours: the compressed
/// bytes are copied, by reference where the file system can, and neither expanded nor compressed again.
extension ImageWriter {
    /// Adds a regular file with the content of one of another image.
    ///
    /// What this writer would not write is read and written anew: clusters that only a full index describes, or that are
    /// shifted within their blocks, and features that the guests' kernel does not know.
    ///
    /// - Parameter packed: where this image has the other's packed files; nil to write those anew.
    /// - Throws: ``EROFSError``: of the other image, which is not trusted, or of the writer.
    @discardableResult
    public func addFile(
        named name: ArraySlice<UInt8>,
        in folder: Node,
        takenFrom inode: Inode,
        of image: ImageReader,
        packed: PackedPlaces? = nil,
        attributes: Attributes
    ) throws(EROFSError) -> Node {
        guard inode.kind == .regular else { throw .misuse("inode \(inode.nid) is no regular file") }
        let file = TakenFile(name: name, folder: folder, inode: inode, image: image, attributes: attributes)
        if inode.size > 0, !inode.isCompressed, inode.fields.layout != .chunkBased {
            return try addFlat(file)
        }
        if inode.isCompressed {
            let header = try MapHeader(of: inode, in: image)
            if let old = header.wholeFragment {
                if let new = packed?.place(of: old, size: inode.size) {
                    return try addFragment(file, at: new)
                }
            } else if canTake(inode, header, of: image) {
                return try addClusters(file)
            }
        }
        let hasHoles = inode.fields.layout == .chunkBased
        let node = try beginFile(
            named: name,
            in: folder,
            size: inode.size,
            isMostlyHoles: hasHoles,
            attributes: attributes
        )
        if hasHoles { try writeChunks(of: inode, image) } else { try writeBytes(of: inode, image) }
        try endFile()
        return node
    }

    /// Whether a file's clusters are such as this writer makes, for the guests that it writes for.
    func canTake(_ inode: Inode, _ header: MapHeader, of image: ImageReader) -> Bool {
        let unlike = MapHeader.Advise.interlaced | MapHeader.Advise.fragmentTail
        let features = image.superblock.incompatibleFeatures
        return inode.fields.layout == .compressedCompact && header.advise & unlike == 0
            && features & Format.IncompatibleFeature.zeroPadding != 0
            && (!header.isBigCluster || options.guestKernel >= .bigClusters)
    }

    // MARK: Taking over

    /// A regular file of another image, and what it is to be here.
    private struct TakenFile {
        let name: ArraySlice<UInt8>
        let folder: Node
        let inode: Inode
        let image: ImageReader
        let attributes: Attributes
    }

    private func add(_ file: TakenFile) throws(EROFSError) -> (Node, Part) {
        let (node, index) = try add(.regular, file.name, file.folder, file.attributes)
        var part = part(index, .regular, file.attributes)
        part.size = file.inode.size
        return (node, part)
    }

    private func addFlat(_ file: TakenFile) throws(EROFSError) -> Node {
        let (inode, image) = (file.inode, file.image)
        let block = UInt64(Format.blockSize)
        let tailSize = inode.isInline ? inode.size % block : 0
        let body = inode.size - tailSize
        let start = UInt64(inode.fields.union) * block
        let end = start + align(body, to: block)
        guard body == 0 || end <= image.size else {
            throw .corrupt("the data of inode \(inode.nid) lies beyond the image")
        }
        let (node, taken) = try add(file)
        var part = taken
        part.length = inode.size
        part.mayShrink = false
        var tail: [UInt8] = []
        if tailSize > 0 { tail = try image.readTail(of: inode, count: Int(tailSize)) }
        let isInline = tail.count <= part.inlineLimit
        part.taken = TakenSegment(
            source: image.file,
            ranges: body > 0 ? [start..<end] : [],
            block: isInline ? [] : tail.padded(asPlain: true),
            inlineTail: isInline ? tail : []
        )
        try pipeline.close(part, &tree)
        return node
    }

    private func addFragment(_ file: TakenFile, at place: UInt64) throws(EROFSError) -> Node {
        let (node, taken) = try add(file)
        var part = taken
        part.fragment = place
        try pipeline.close(part, &tree)
        return node
    }

    private func addClusters(_ file: TakenFile) throws(EROFSError) -> Node {
        let (inode, image) = (file.inode, file.image)
        let clusters = try ClusterReader(image, inode)
        let (node, template) = try add(file)
        let xattrs = XattrTable.encodedSize(file.attributes.xattrs)
        let tailRoom =
            options.guestKernel >= .tailPacking
            ? CompressedItem.tailRoom(fileSize: inode.size, xattrSize: xattrs) : 0
        var builder = SegmentBuilder(source: image.file, isBigCluster: clusters.header.isBigCluster)
        var position: UInt64 = 0
        while position < inode.size {
            let cluster = try clusters.cluster(at: position)
            guard cluster.start == position else {
                throw .corrupt("the clusters of inode \(inode.nid) do not follow each other")
            }
            let length = builder.length + cluster.length
            if clusters.isTail(cluster) {
                let segment = try builder.take(tail: cluster, clusters, image, room: tailRoom)
                try close(template, segment, length, position: cluster.end - length)
            } else {
                try image.checkBlocks(of: cluster, inode)
                builder.add(cluster)
                if builder.isFull || cluster.end == inode.size {
                    try close(template, builder.take(), length, position: cluster.end - length)
                }
            }
            position = cluster.end
        }
        return node
    }

    private func close(
        _ template: Part,
        _ segment: TakenSegment,
        _ length: UInt64,
        position: UInt64
    ) throws(EROFSError) {
        var part = template
        part.length = length
        part.isFirst = position == 0
        part.isLast = position + length == template.size
        part.taken = segment
        try pipeline.close(part, &tree)
    }

    // MARK: Writing anew

    private func writeChunks(of inode: Inode, _ image: ImageReader) throws(EROFSError) {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 4096)
        defer { buffer.deallocate() }
        var offset: UInt64 = 0
        var hole: UInt64 = 0
        var data: UInt64 = 0
        func writeRun() throws(EROFSError) {
            if hole > 0 { try writeHole(hole) }
            let end = offset + hole + data
            offset += hole
            while offset < end {
                let count = Int(min(end - offset, UInt64(buffer.count)))
                let part = UnsafeMutableRawBufferPointer(rebasing: buffer[..<count])
                let read = try image.read(inode, at: offset, into: part)
                try write(UnsafeRawBufferPointer(rebasing: part[..<read]))
                offset += UInt64(read)
            }
            (hole, data) = (0, 0)
        }
        try ChunkTable(image, inode).forEach { (address, count) throws(EROFSError) in
            if address == nil {
                if data > 0 { try writeRun() }
                hole += count
            } else {
                data += count
            }
        }
        try writeRun()
    }
}

extension SegmentBuilder {
    /// Ends the segment, and the file, with a cluster of less than a block: beside the index where there is room, else in
    /// a block of its own.
    fileprivate mutating func take(
        tail cluster: LocatedCluster,
        _ clusters: ClusterReader,
        _ image: ImageReader,
        room: Int
    ) throws(EROFSError) -> TakenSegment {
        let bytes = try image.read(cluster.imageOffset, cluster.imageSize)
        if bytes.count <= room {
            let tail = Tail(length: Int(cluster.length), size: bytes.count, isPlain: cluster.isPlain)
            return take(withTail: tail, bytes)
        }
        if cluster.isWithinEntry {
            let block = try clusters.expandedBlock(of: cluster)
            return take(with: block, making: cluster.length, isPlain: true)
        }
        return take(
            with: bytes.padded(asPlain: cluster.isPlain),
            making: cluster.length,
            isPlain: cluster.isPlain
        )
    }
}

extension LocatedCluster {
    /// Whether the cluster ends within the entry of the index that it begins in. Readers look for the size of a
    /// compressed one in the entry that follows, which need not be there.
    var isWithinEntry: Bool { start / UInt64(Format.blockSize) == (end - 1) / UInt64(Format.blockSize) }
}

extension ClusterReader {
    /// The bytes of a cluster within one entry, filled up to a block with zeros.
    func expandedBlock(of cluster: LocatedCluster) throws(EROFSError) -> [UInt8] {
        var block = [UInt8](repeating: 0, count: Format.blockSize)
        let outcome = block.withUnsafeMutableBytes { bytes in
            Result { () throws(EROFSError) in
                try expand(
                    cluster,
                    into: UnsafeMutableRawBufferPointer(rebasing: bytes[..<Int(cluster.length)])
                )
            }
        }
        try outcome.get()
        return block
    }
}

extension [UInt8] {
    /// A block with less than a block's bytes: compressed ones at its end, others at its beginning.
    func padded(asPlain isPlain: Bool) -> [UInt8] {
        let padding = [UInt8](repeating: 0, count: Format.blockSize - count)
        return isPlain ? self + padding : padding + self
    }
}

extension ImageReader {
    /// The end of a flat file that stands beside its inode.
    fileprivate func readTail(of inode: Inode, count: Int) throws(EROFSError) -> [UInt8] {
        guard inode.bodyOffset % UInt64(Format.blockSize) + UInt64(count) <= UInt64(Format.blockSize) else {
            throw .corrupt("the tail of inode \(inode.nid) crosses a block")
        }
        return try read(inode.bodyOffset, count)
    }

    /// Makes sure that a cluster's blocks are the image's.
    func checkBlocks(of cluster: LocatedCluster, _ inode: Inode) throws(EROFSError) {
        let end = cluster.imageOffset + UInt64(cluster.imageSize)
        guard end <= size, !cluster.isPlain || cluster.length <= UInt64(cluster.imageSize) else {
            throw .corrupt("the cluster at byte \(cluster.start) of inode \(inode.nid) is not in the image")
        }
    }
}
