import Glibc

/// Files in segments: uncompressed, with holes, or compressed.
extension Assembler {
    func takeSegment(_ part: Part, _ batch: Batch, _ tree: inout Tree) throws(EROFSError) {
        var file: OpenFile
        if part.isFirst {
            let count = xattrs.encode(part.attributes.xattrs)
            file = OpenFile(part, xattrs: xattrs.encoded, xattrCount: count)
            if file.size > OpenFile.reservingSize, part.mayShrink { try reserveIndex(&file) }
            file.firstBlock = nextBlock
        } else if let current = open.take() {
            file = current
        } else {
            throw .misuse("a segment of a file that was not begun")
        }
        if let taken = part.taken {
            guard part.mayShrink else { return try takeFlat(taken, file, &tree) }
            try takeClusters(taken, &file)
        } else if part.isHole && part.mayShrink {
            let zeros = try zeroSegment()
            try takeClusters(zeros.parts[0], zeros, &file)
        } else if part.isHole {
            takeHole(part, &file)
        } else if part.isCompressed {
            try takeClusters(part, batch, &file)
        } else {
            let isTail = part.isLast && file.index == nil && file.runs.isEmpty
            try takePlain(part, batch, &file, allowsInline: isTail, &tree)
            if isTail { return }
        }
        if part.isLast { try finish(file, &tree) } else { open = file }
    }

    /// A segment of the packed inode.
    func takePacked(_ part: Part, _ batch: Batch) throws(EROFSError) {
        var file = packed.take() ?? OpenFile(part, xattrs: [], xattrCount: 0)
        if let taken = part.taken {
            try takeClusters(taken, &file)
            packed = file
            return
        }
        if file.index == nil { beginIndex(&file) }
        if part.isCompressed {
            try takeClusters(part, batch, &file)
        } else {
            let block = nextBlock
            try output.append(batch.bytes(of: part))
            try output.padToBlock()
            addPlain(bytes: part.length, block: block, &file)
            file.blocks += CompactIndex.entryCount(size: part.length)
            file.position += part.length
        }
        packed = file
    }

    /// Writes the packed inode, when its last segment is there, and returns where; nil where nothing was packed.
    func finishPacked(number: UInt32) throws(EROFSError) -> InodeLocation? {
        guard let file = packed.take(), var index = file.index else { return nil }
        index.finish(size: file.position)
        var fields = fields(of: file, .compressedCompact, union: UInt32(truncatingIfNeeded: file.blocks))
        fields.size = file.position
        fields.number = number
        return try place(item(file, index, fields, compact: false) + index.encoded)
    }

    /// Bytes as they are. The last of a file that has nothing else also make its inode.
    private func takePlain(
        _ part: Part,
        _ batch: Batch,
        _ file: inout OpenFile,
        allowsInline: Bool,
        _ tree: inout Tree
    ) throws(EROFSError) {
        let bytes = batch.bytes(of: part)
        let tail = bytes.count % Format.blockSize
        let isInline = allowsInline && tail > 0 && tail <= file.inlineLimit
        let body = isInline ? bytes.count - tail : bytes.count
        let block = nextBlock
        try output.append(UnsafeRawBufferPointer(rebasing: bytes[..<body]))
        try output.padToBlock()
        let blocks = (body + Format.blockSize - 1) / Format.blockSize
        if !file.runs.isEmpty { file.runs.append(OpenFile.Run(length: part.length, block: block)) }
        if file.index != nil { addPlain(bytes: part.length, block: block, &file) }
        try flushIndex(&file)
        file.blocks += UInt64(blocks)
        file.position += part.length
        guard allowsInline else { return }
        let fields = fields(
            of: file,
            isInline ? .flatInline : .flatPlain,
            union: file.blocks == 0 ? 0 : file.firstBlock
        )
        let rest = isInline ? UnsafeRawBufferPointer(rebasing: bytes[body...]) : nil
        try write(
            fields,
            file.xattrs,
            tail: rest,
            dataBytes: file.blocks * UInt64(Format.blockSize) + (file.reserved?.size ?? 0),
            file.inode,
            &tree
        )
    }

    private func takeHole(_ part: Part, _ file: inout OpenFile) {
        if file.runs.isEmpty && file.position > 0 {
            file.runs.append(OpenFile.Run(length: file.position, block: file.firstBlock))
        }
        file.runs.append(OpenFile.Run(length: part.length, block: nil))
        file.position += part.length
    }

    private func takeClusters(_ part: Part, _ batch: Batch, _ file: inout OpenFile) throws(EROFSError) {
        if file.index == nil { beginIndex(&file) }
        var block = nextBlock
        var blocks = 0
        for cluster in batch.clusters[part.clusters] {
            file.index?.add(cluster, at: file.position, block: block)
            block += UInt32(cluster.blocks)
            blocks += Int(cluster.blocks)
            file.position += UInt64(cluster.length)
        }
        let size = blocks * Format.blockSize
        let end = part.outputOffset + size
        try output.append(UnsafeRawBufferPointer(rebasing: batch.output[part.outputOffset..<end]))
        if let tail = part.tail {
            let cluster = Cluster(length: UInt32(tail.length), blocks: 1, isPlain: tail.isPlain)
            file.index?.add(cluster, at: file.position, block: block)
            file.position += UInt64(tail.length)
            file.tail = (tail, Array(batch.output[end..<end + tail.size]))
            usedFeatures |= Format.IncompatibleFeature.tailPacking
        }
        try flushIndex(&file)
        file.blocks += UInt64(blocks)
    }

    func addPlain(bytes: UInt64, block: UInt32, _ file: inout OpenFile) {
        var done: UInt64 = 0
        var block = block
        while done < bytes {
            let length = min(bytes - done, UInt64(Format.blockSize))
            let cluster = Cluster(length: UInt32(length), blocks: 1, isPlain: true)
            file.index?.add(cluster, at: file.position + done, block: block)
            done += length
            block += 1
        }
    }

    private func zeroSegment() throws(EROFSError) -> Batch {
        if let zeros { return zeros }
        let batch = Batch()
        memset(batch.input.baseAddress.unsafelyUnwrapped, 0, Batch.segmentSize)
        batch.parts = [
            Part(
                inode: 0,
                kind: .regular,
                attributes: Attributes(permissions: 0),
                size: .max,
                length: UInt64(Batch.segmentSize),
                isFirst: false,
                isLast: false
            )
        ]
        BatchCompressor(compression).compress(batch)
        zeros = batch
        return batch
    }
}
