import CLZ4

/// The packed inode of an image that takes over others': their clusters one behind the other, those that no file needs
/// any more left out.
///
/// An index has one entry for each 4 KiB, in which one cluster may begin. So clusters keep their place within their
/// 4 KiB; where those before end elsewhere, a cluster of zeros comes between.
extension ImageWriter {
    /// Takes over the clusters of another image's packed inode that hold certain bytes. To be called before anything
    /// is added to the image, for one image after the other.
    ///
    /// - Parameter needed: the bytes of the packed inode that are needed, in any order.
    /// - Returns: where they are in this image; nil where they cannot be taken over.
    public func takePacked(
        from image: ImageReader,
        needed: [Range<UInt64>]
    ) throws(EROFSError) -> PackedPlaces? {
        try checkUsable()
        guard !needed.isEmpty, image.superblock.packedNID != 0, options.takesPackedFiles else { return nil }
        let inode = try image.inode(image.superblock.packedNID)
        guard inode.kind == .regular, inode.isCompressed else { return nil }
        let header = try MapHeader(of: inode, in: image)
        guard header.wholeFragment == nil, canTake(inode, header, of: image) else { return nil }
        let clusters = try ClusterReader(image, inode)
        // An image has one packed inode, whose clusters follow each other: no other files go there any more.
        try pipeline.endPacking()
        isTakingPacked = true
        var places = PackedPlaces()
        var builder = SegmentBuilder(source: image.file, isBigCluster: true)
        var taken: UInt64 = 0
        for range in Self.merged(needed) {
            guard range.upperBound <= inode.size else {
                throw .corrupt("a file lies beyond the packed inode")
            }
            while taken < range.upperBound {
                let cluster = try clusters.cluster(at: max(range.lowerBound, taken))
                try take(cluster, clusters, inode, image, &builder, &places)
                taken = cluster.end
            }
        }
        try closePacked(&builder)
        return places
    }

    private func take(
        _ cluster: LocatedCluster,
        _ clusters: ClusterReader,
        _ inode: Inode,
        _ image: ImageReader,
        _ builder: inout SegmentBuilder,
        _ places: inout PackedPlaces
    ) throws(EROFSError) {
        let block = UInt64(Format.blockSize)
        let gap = gap(before: cluster.start)
        if gap > 0 {
            try closePacked(&builder, with: Self.zeros(Int(gap)), making: gap, isPlain: false)
        }
        let start = packedEnd
        places.append(cluster.start..<cluster.end, at: start)
        if cluster.isWithinEntry {
            // The end of the packed inode: filled up with zeros to the next entry, so that another may follow.
            let bytes = try clusters.expandedBlock(of: cluster)
            try closePacked(&builder, with: bytes, making: block - cluster.start % block, isPlain: true)
        } else if clusters.isTail(cluster) {
            let bytes = try image.read(cluster.imageOffset, cluster.imageSize).padded(
                asPlain: cluster.isPlain
            )
            try closePacked(&builder, with: bytes, making: cluster.length, isPlain: cluster.isPlain)
        } else {
            try image.checkBlocks(of: cluster, inode)
            builder.add(cluster)
            packedEnd += cluster.length
            if builder.isFull { try closePacked(&builder) }
        }
    }

    /// The bytes that have to come before a cluster which begins at a byte of another packed inode.
    private func gap(before old: UInt64) -> UInt64 {
        let block = UInt64(Format.blockSize)
        let gap = (old % block + block - packedEnd % block) % block
        // One cluster begins at the end and one behind the gap: not within one entry.
        return gap > 0 && (packedEnd + gap) / block == packedEnd / block ? gap + block : gap
    }

    private func closePacked(
        _ builder: inout SegmentBuilder,
        with block: [UInt8],
        making length: UInt64,
        isPlain: Bool
    ) throws(EROFSError) {
        packedEnd += length
        let whole = builder.length + length
        try closePacked(builder.take(with: block, making: length, isPlain: isPlain), whole)
    }

    private func closePacked(_ builder: inout SegmentBuilder) throws(EROFSError) {
        guard !builder.isEmpty else { return }
        let length = builder.length
        try closePacked(builder.take(), length)
    }

    private func closePacked(_ segment: TakenSegment, _ length: UInt64) throws(EROFSError) {
        var part = Part(inode: 0, kind: .regular, attributes: Attributes(permissions: 0))
        part.size = UInt64(Int64.max)
        part.length = length
        part.isPacked = true
        part.isLast = false
        part.taken = segment
        try pipeline.close(part, &tree)
    }

    /// A block that expands to zeros, fewer than two blocks of them.
    private static func zeros(_ count: Int) -> [UInt8] {
        let input = [CChar](repeating: 0, count: count)
        var output = [CChar](repeating: 0, count: Format.blockSize)
        let size = Int(LZ4_compress_default(input, &output, Int32(count), Int32(output.count)))
        let bytes = output[..<size].map { UInt8(bitPattern: $0) }
        return [UInt8](repeating: 0, count: Format.blockSize - size) + bytes
    }

    /// Sorted ranges without overlaps.
    private static func merged(_ ranges: [Range<UInt64>]) -> [Range<UInt64>] {
        var merged: [Range<UInt64>] = []
        for range in ranges.sorted(by: { $0.lowerBound < $1.lowerBound }) {
            if let last = merged.last, range.lowerBound <= last.upperBound {
                merged[merged.count - 1] = last.lowerBound..<max(last.upperBound, range.upperBound)
            } else {
                merged.append(range)
            }
        }
        return merged
    }
}
