/// Where the inode of a file goes, and what stands beside it: the index of its clusters, or its chunks.
extension Assembler {
    // MARK: The index

    /// Gives the inode of a large file its place before the file's data, with its index behind it.
    func reserveIndex(_ file: inout OpenFile) throws(EROFSError) {
        let item = CompressedItem(inodeSize: Format.extendedInodeSize, xattrSize: file.xattrs.count)
        let blocks = align(item.indexEnd(fileSize: file.size), to: UInt64(Format.blockSize))
        file.reserved = OpenFile.ReservedIndex(offset: try output.reserve(blocks), size: blocks)
    }

    /// The first compressed segment of a file; segments before it lie in the image as they are.
    func beginIndex(_ file: inout OpenFile, isBigCluster: Bool? = nil) {
        let isBig = isBigCluster ?? ((compression.clusterSize ?? 0) > Format.blockSize)
        usedFeatures |=
            Format.IncompatibleFeature.zeroPadding | (isBig ? Format.IncompatibleFeature.bigCluster : 0)
        // Both forms of an inode put the index at the same place within 32 bytes.
        let item = CompressedItem(inodeSize: Format.extendedInodeSize, xattrSize: file.xattrs.count)
        file.index = CompactIndex(isBigCluster: isBig, start: item.indexOffset)
        let before = file.position
        file.position = 0
        addPlain(bytes: before, block: file.firstBlock, &file)
        file.position = before
    }

    /// Writes what there is of an index that has its place.
    func flushIndex(_ file: inout OpenFile) throws(EROFSError) {
        guard let reserved = file.reserved, let bytes = file.index?.takeEncoded(), !bytes.isEmpty else {
            return
        }
        let item = CompressedItem(inodeSize: Format.extendedInodeSize, xattrSize: file.xattrs.count)
        try patch(bytes, at: reserved.offset + UInt64(item.indexOffset) + reserved.written)
        file.reserved?.written += UInt64(bytes.count)
    }

    // MARK: The inode of a file

    func fields(of file: OpenFile, _ layout: Format.Layout, union: UInt32) -> InodeFields {
        InodeFields(
            kind: .regular,
            layout: layout,
            attributes: file.attributes,
            size: file.size,
            links: 1,
            union: union,
            number: firstNumber + file.inode,
            xattrCount: file.xattrCount
        )
    }

    func finish(_ file: OpenFile, _ tree: inout Tree) throws(EROFSError) {
        if file.index != nil {
            try finishClusters(file, &tree)
        } else {
            try finishChunks(file, &tree)
        }
    }

    private func finishClusters(_ file: OpenFile, _ tree: inout Tree) throws(EROFSError) {
        var file = file
        file.index?.finish(size: file.size)
        try flushIndex(&file)
        guard let index = file.index else { return }
        let fields = fields(of: file, .compressedCompact, union: UInt32(truncatingIfNeeded: file.blocks))
        let dataBytes = file.blocks * UInt64(Format.blockSize)
        let tail = file.tail?.bytes ?? []
        if let reserved = file.reserved {
            try patch(item(file, index, fields, compact: false), at: reserved.offset)
            let end = CompressedItem(inodeSize: Format.extendedInodeSize, xattrSize: file.xattrs.count)
                .indexEnd(fileSize: file.size)
            try patch(tail, at: reserved.offset + end)
            let location = InodeLocation(byte: reserved.offset)
            return tree.place(file.inode, at: location, isCompact: false, bytes: dataBytes + reserved.size)
        }
        var compact = size(ofInode: fields) == Format.compactInodeSize
        var whole = item(file, index, fields, compact: compact) + index.encoded + tail
        if compact, whole.count > Format.blockSize - Format.extendedInodeSize {
            // In blocks of its own, an item has its tail where it was planned: behind an extended inode.
            compact = false
            whole = item(file, index, fields, compact: false) + index.encoded + tail
        }
        let location = try place(whole)
        tree.place(file.inode, at: location, isCompact: compact, bytes: dataBytes + UInt64(whole.count))
    }

    /// An inode with its attributes and its map header.
    func item(
        _ file: OpenFile,
        _ index: CompactIndex,
        _ fields: InodeFields,
        compact: Bool
    ) -> [UInt8] {
        var item = header(fields, compact: compact, file.xattrs)
        item.append(contentsOf: repeatElement(0, count: align(item.count, to: 8) - item.count))
        var header = MapHeader()
        header.advise = MapHeader.Advise.packsOf16
        if index.isBigCluster {
            header.advise |= MapHeader.Advise.bigCluster1 | MapHeader.Advise.bigCluster2
        }
        if let tail = file.tail {
            header.advise |= MapHeader.Advise.inlineTail
            header.inlineSize = UInt16(tail.cluster.size)
        }
        withUnsafeBytes(of: header.encoded.littleEndian) { item += $0 }
        return item
    }

    /// A file with holes: chunks of the size that ``ImageWriter`` aligned the holes to, each a block address.
    private func finishChunks(_ file: OpenFile, _ tree: inout Tree) throws(EROFSError) {
        usedFeatures |= Format.IncompatibleFeature.chunkedFile
        let bits = ChunkSize.bits(fileSize: file.size)
        let fields = fields(of: file, .chunkBased, union: UInt32(bits - UInt64(Format.blockBits)))
        let compact = size(ofInode: fields) == Format.compactInodeSize
        var item = header(fields, compact: compact, file.xattrs)
        for run in file.runs {
            let chunks = (run.length + (1 << bits) - 1) >> bits
            for chunk in 0..<chunks {
                let address = run.block.map { $0 + UInt32(truncatingIfNeeded: chunk << (bits - 12)) }
                withUnsafeBytes(of: (address ?? Format.holeAddress).littleEndian) { item += $0 }
            }
        }
        let location = try place(item)
        let bytes = file.blocks * UInt64(Format.blockSize) + UInt64(item.count)
        tree.place(file.inode, at: location, isCompact: compact, bytes: bytes)
    }
}

/// The chunks of files with holes: 4 KiB, or more where a file would have over 262,144 of them.
enum ChunkSize {
    static func bits(fileSize: UInt64) -> UInt64 {
        var bits = UInt64(Format.blockBits)
        while fileSize >> bits > 1 << 18 { bits += 1 }
        return bits
    }
}
