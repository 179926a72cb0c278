/// Puts into the image what it takes over from others.
extension Assembler {
    /// Clusters, and perhaps the last one beside the index.
    func takeClusters(_ taken: TakenSegment, _ file: inout OpenFile) throws(EROFSError) {
        if file.index == nil { beginIndex(&file, isBigCluster: taken.isBigCluster) }
        var block = nextBlock
        for cluster in taken.clusters {
            file.index?.add(cluster, at: file.position, block: block)
            block += UInt32(cluster.blocks)
            file.position += UInt64(cluster.length)
            largestCluster = max(largestCluster, cluster.blocks)
        }
        try append(taken)
        if let (tail, bytes) = taken.tail {
            let cluster = Cluster(length: UInt32(tail.length), blocks: 1, isPlain: tail.isPlain)
            file.index?.add(cluster, at: file.position, block: block)
            file.position += UInt64(tail.length)
            file.tail = (tail, bytes)
            usedFeatures |= Format.IncompatibleFeature.tailPacking
        }
        try flushIndex(&file)
        file.blocks += UInt64(taken.blocks)
    }

    /// A whole file that is not compressed, and its inode.
    func takeFlat(_ taken: TakenSegment, _ file: OpenFile, _ tree: inout Tree) throws(EROFSError) {
        var file = file
        file.blocks = UInt64(taken.blocks)
        let block = nextBlock
        try append(taken)
        let isInline = !taken.inlineTail.isEmpty
        let fields = fields(
            of: file,
            isInline ? .flatInline : .flatPlain,
            union: file.blocks == 0 ? 0 : block
        )
        let outcome = taken.inlineTail.withUnsafeBytes { bytes in
            Result { () throws(EROFSError) in
                try write(
                    fields,
                    file.xattrs,
                    tail: isInline ? bytes : nil,
                    dataBytes: file.blocks * UInt64(Format.blockSize),
                    file.inode,
                    &tree
                )
            }
        }
        try outcome.get()
    }

    private func append(_ taken: TakenSegment) throws(EROFSError) {
        for range in taken.ranges { try output.append(range, of: taken.source) }
        guard !taken.block.isEmpty else { return }
        let outcome = taken.block.withUnsafeBytes { bytes in
            Result { () throws(EROFSError) in try output.append(bytes) }
        }
        try outcome.get()
    }
}
