import Glibc

/// Puts batches into the image, in order: data, then the inode with its inline tail or its index.
final class Assembler {
    let output: ImageOutput
    var metadata: MetadataStream
    var xattrs = XattrTable()
    /// The modification time of compact inodes: that of the first thing added.
    var epoch: Timestamp?
    /// The number of the first inode; the others follow in the order of the tree.
    var firstNumber: UInt32 = 1
    private(set) var usedFeatures: UInt32 = 0

    private let compression: Compression
    private var open: OpenFile?
    /// A segment of zeros, compressed once.
    private var zeros: Batch?

    init(output: ImageOutput, options: WriterOptions) {
        self.output = output
        compression = options.compression
        metadata = MetadataStream(stretchSize: options.metadataStretch)
    }

    func take(_ batch: Batch, _ tree: inout Tree) throws(EROFSError) {
        for part in batch.parts {
            switch part.kind {
            case .regular: try takeSegment(part, batch, &tree)
            case .symbolicLink: try takeTarget(part, batch, &tree)
            default: try takeSpecial(part, &tree)
            }
        }
    }

    // MARK: Inodes without segments

    private func takeSpecial(_ part: Part, _ tree: inout Tree) throws(EROFSError) {
        let count = xattrs.encode(part.attributes.xattrs)
        let fields = InodeFields(
            kind: part.kind,
            layout: .flatPlain,
            attributes: part.attributes,
            size: 0,
            links: 1,
            union: UInt32(truncatingIfNeeded: part.size),
            number: firstNumber + part.inode,
            xattrCount: count
        )
        try write(fields, xattrs.encoded, tail: nil, dataBytes: 0, part.inode, &tree)
    }

    private func takeTarget(_ part: Part, _ batch: Batch, _ tree: inout Tree) throws(EROFSError) {
        let count = xattrs.encode(part.attributes.xattrs)
        let target = batch.bytes(of: part)
        let isInline = target.count <= part.inlineLimit
        let block = UInt32(truncatingIfNeeded: output.position >> UInt64(Format.blockBits))
        if !isInline {
            try output.append(target)
            try output.padToBlock()
        }
        let fields = InodeFields(
            kind: .symbolicLink,
            layout: isInline ? .flatInline : .flatPlain,
            attributes: part.attributes,
            size: part.length,
            links: 1,
            union: isInline ? 0 : block,
            number: firstNumber + part.inode,
            xattrCount: count
        )
        try write(
            fields,
            xattrs.encoded,
            tail: isInline ? target : nil,
            dataBytes: isInline ? 0 : UInt64(Format.blockSize),
            part.inode,
            &tree
        )
    }

    // MARK: Files

    private func takeSegment(_ part: Part, _ batch: Batch, _ tree: inout Tree) throws(EROFSError) {
        var file: OpenFile
        if part.isFirst {
            let count = xattrs.encode(part.attributes.xattrs)
            file = OpenFile(part, xattrs: xattrs.encoded, xattrCount: count)
            file.firstBlock = UInt32(truncatingIfNeeded: output.position >> UInt64(Format.blockBits))
        } else if let current = open.take() {
            file = current
        } else {
            throw .misuse("a segment of a file that was not begun")
        }
        if part.isHole && compression != .none {
            let zeros = try zeroSegment()
            try takeClusters(zeros.parts[0], zeros, &file)
        } else if part.isHole {
            takeHole(part, &file)
        } else if !part.clusters.isEmpty {
            try takeClusters(part, batch, &file)
        } else {
            let isTail = part.isLast && file.index == nil && file.runs.isEmpty
            try takePlain(part, batch, &file, allowsInline: isTail, &tree)
            if isTail { return }
        }
        if part.isLast { try finish(file, &tree) } else { open = file }
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
        let block = UInt32(truncatingIfNeeded: output.position >> UInt64(Format.blockBits))
        try output.append(UnsafeRawBufferPointer(rebasing: bytes[..<body]))
        try output.padToBlock()
        let blocks = (body + Format.blockSize - 1) / Format.blockSize
        if !file.runs.isEmpty { file.runs.append(OpenFile.Run(length: part.length, block: block)) }
        if file.index != nil { addPlain(bytes: part.length, block: block, &file) }
        try file.index?.flush(output)
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
            dataBytes: file.blocks * UInt64(Format.blockSize),
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
        if file.index == nil { try beginIndex(&file) }
        var block = UInt32(truncatingIfNeeded: output.position >> UInt64(Format.blockBits))
        var blocks = 0
        for cluster in batch.clusters[part.clusters] {
            file.index?.add(cluster, at: file.position, block: block, fileSize: file.size)
            block += UInt32(cluster.blocks)
            blocks += Int(cluster.blocks)
            file.position += UInt64(cluster.length)
        }
        let bytes = batch.output[part.outputOffset..<part.outputOffset + blocks * Format.blockSize]
        try output.append(UnsafeRawBufferPointer(rebasing: bytes))
        try file.index?.flush(output)
        file.blocks += UInt64(blocks)
    }

    /// The first compressed segment of a file: an index that does not fit into a block with its inode gets blocks of
    /// its own here, before the data. Segments before it lie there as they are.
    private func beginIndex(_ file: inout OpenFile) throws(EROFSError) {
        let clusterSize = compression.clusterSize ?? Format.blockSize
        let isBig = clusterSize > Format.blockSize
        usedFeatures |=
            Format.IncompatibleFeature.zeroPadding | (isBig ? Format.IncompatibleFeature.bigCluster : 0)
        let inodeSize = size(ofInode: fields(of: file, .compressedFull, union: 0))
        let offset = align(inodeSize + file.xattrs.count, to: 8) + Format.mapHeaderSize
        let size = UInt64(offset) + ClusterIndex.entryCount(size: file.size) * UInt64(Format.indexEntrySize)
        var reserved: (UInt64, UInt64)?
        if size > Format.blockSize {
            let blocks = align(size, to: UInt64(Format.blockSize))
            reserved = (try output.reserve(blocks), blocks)
        }
        file.index = ClusterIndex(isBigCluster: isBig, reserved: reserved, offsetInItem: offset)
        let before = file.position
        file.position = 0
        addPlain(bytes: before, block: file.firstBlock, &file)
        file.position = before
        try file.index?.flush(output)
    }

    private func addPlain(bytes: UInt64, block: UInt32, _ file: inout OpenFile) {
        var done: UInt64 = 0
        var block = block
        while done < bytes {
            let length = min(bytes - done, UInt64(Format.blockSize))
            let cluster = Cluster(length: UInt32(length), blocks: 1, isPlain: true)
            file.index?.add(cluster, at: file.position + done, block: block, fileSize: file.size)
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

    // MARK: The inode of a file

    private func fields(of file: OpenFile, _ layout: Format.Layout, union: UInt32) -> InodeFields {
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

    private func size(ofInode fields: InodeFields) -> Int {
        fields.isCompact(epoch: epoch ?? fields.modified) ? Format.compactInodeSize : Format.extendedInodeSize
    }

    private func finish(_ file: OpenFile, _ tree: inout Tree) throws(EROFSError) {
        if let index = file.index {
            try finish(file, index, &tree)
        } else {
            try finishChunks(file, &tree)
        }
    }

    private func finish(_ file: OpenFile, _ index: ClusterIndex, _ tree: inout Tree) throws(EROFSError) {
        let fields = fields(of: file, .compressedFull, union: UInt32(truncatingIfNeeded: file.blocks))
        let compact = size(ofInode: fields) == Format.compactInodeSize
        var item = [UInt8](repeating: 0, count: index.offsetInItem)
        item.withUnsafeMutableBytes { bytes in
            let base = bytes.baseAddress.unsafelyUnwrapped
            fields.encode(compact: compact, at: base)
            file.xattrs.withUnsafeBytes { xattrs in
                let start = compact ? Format.compactInodeSize : Format.extendedInodeSize
                UnsafeMutableRawBufferPointer(rebasing: bytes[start...]).copyMemory(from: xattrs)
            }
            let header = base + (index.offsetInItem - Format.mapHeaderSize)
            header.store(index.isBigCluster ? Format.adviseBigCluster : 0, at: 4)
        }
        let dataBytes = file.blocks * UInt64(Format.blockSize)
        if let reserved = index.reserved {
            try patch(item, at: reserved.offset)
            tree.place(
                file.inode,
                at: InodeLocation(byte: reserved.offset),
                isCompact: compact,
                bytes: dataBytes + reserved.size
            )
        } else {
            for entry in index.pending { withUnsafeBytes(of: entry.littleEndian) { item += $0 } }
            let location = try place(item)
            tree.place(file.inode, at: location, isCompact: compact, bytes: dataBytes + UInt64(item.count))
        }
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

    private func header(_ fields: InodeFields, compact: Bool, _ xattrs: [UInt8]) -> [UInt8] {
        let size = compact ? Format.compactInodeSize : Format.extendedInodeSize
        var item = [UInt8](repeating: 0, count: size)
        item.withUnsafeMutableBytes { fields.encode(compact: compact, at: $0.baseAddress.unsafelyUnwrapped) }
        return item + xattrs
    }

    // MARK: Placing

    /// Writes an inode with its attributes and its tail, straight into the metadata stream where it fits into a block.
    private func write(
        _ fields: InodeFields,
        _ xattrs: [UInt8],
        tail: UnsafeRawBufferPointer?,
        dataBytes: UInt64,
        _ inode: UInt32,
        _ tree: inout Tree
    ) throws(EROFSError) {
        let inodeSize = size(ofInode: fields)
        let compact = inodeSize == Format.compactInodeSize
        let size = inodeSize + xattrs.count + (tail?.count ?? 0)
        let location: InodeLocation
        if size <= Format.blockSize {
            let (memory, place) = try metadata.add(size, output)
            fields.encode(compact: compact, at: memory)
            memory.store(xattrs, at: inodeSize)
            if let tail { memory.store(tail, at: inodeSize + xattrs.count) }
            location = place
        } else {
            location = try place(header(fields, compact: compact, xattrs))
        }
        tree.place(inode, at: location, isCompact: compact, bytes: dataBytes + UInt64(size))
    }

    /// Writes an item into the metadata stream, or into blocks of its own when it is larger than one.
    func place(_ item: [UInt8]) throws(EROFSError) -> InodeLocation {
        if item.count <= Format.blockSize {
            let (memory, location) = try metadata.add(item.count, output)
            memory.store(item, at: 0)
            return location
        }
        let offset = output.position
        let outcome = item.withUnsafeBytes { bytes in
            Result { () throws(EROFSError) in try output.append(bytes) }
        }
        try outcome.get()
        try output.padToBlock()
        return InodeLocation(byte: offset)
    }

    private func patch(_ bytes: [UInt8], at offset: UInt64) throws(EROFSError) {
        let outcome = bytes.withUnsafeBytes { buffer in
            Result { () throws(EROFSError) in try output.patch(buffer, at: offset) }
        }
        try outcome.get()
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
