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
    var usedFeatures: UInt32 = 0
    /// The blocks of the largest cluster that may be.
    var largestCluster: UInt16

    let compression: Compression
    /// The file whose segments come.
    var open: OpenFile?
    /// The packed inode, once it has a segment.
    var packed: OpenFile?
    /// A segment of zeros, compressed once.
    var zeros: Batch?

    init(output: ImageOutput, options: WriterOptions) {
        self.output = output
        compression = options.effectiveCompression
        largestCluster = UInt16((compression.clusterSize ?? Format.blockSize) / Format.blockSize)
        metadata = MetadataStream(stretchSize: options.metadataStretch)
    }

    func take(_ batch: Batch, _ tree: inout Tree) throws(EROFSError) {
        for part in batch.parts {
            switch part.kind {
            case .regular where part.isPacked: try takePacked(part, batch)
            case .regular where part.fragment != nil: try takeFragment(part, &tree)
            case .regular: try takeSegment(part, batch, &tree)
            case .symbolicLink: try takeTarget(part, batch, &tree)
            default: try takeSpecial(part, &tree)
            }
        }
    }

    // MARK: Inodes without segments

    private func takeSpecial(_ part: Part, _ tree: inout Tree) throws(EROFSError) {
        let count = xattrs.encode(part.attributes.xattrs)
        let fields = fields(
            of: part,
            .flatPlain,
            size: 0,
            union: UInt32(truncatingIfNeeded: part.size),
            count
        )
        try write(fields, xattrs.encoded, tail: nil, dataBytes: 0, part.inode, &tree)
    }

    private func takeTarget(_ part: Part, _ batch: Batch, _ tree: inout Tree) throws(EROFSError) {
        let count = xattrs.encode(part.attributes.xattrs)
        let target = batch.bytes(of: part)
        let isInline = target.count <= part.inlineLimit
        let block = nextBlock
        if !isInline {
            try output.append(target)
            try output.padToBlock()
        }
        try write(
            fields(
                of: part,
                isInline ? .flatInline : .flatPlain,
                size: part.length,
                union: isInline ? 0 : block,
                count
            ),
            xattrs.encoded,
            tail: isInline ? target : nil,
            dataBytes: isInline ? 0 : UInt64(Format.blockSize),
            part.inode,
            &tree
        )
    }

    /// A file that lies in the packed inode as a whole: a map header is all that says so.
    private func takeFragment(_ part: Part, _ tree: inout Tree) throws(EROFSError) {
        usedFeatures |= Format.IncompatibleFeature.fragments
        let count = xattrs.encode(part.attributes.xattrs)
        let fields = fields(of: part, .compressedFull, size: part.size, union: 0, count)
        let item = CompressedItem(inodeSize: size(ofInode: fields), xattrSize: xattrs.encoded.count)
        var tail = [UInt8](
            repeating: 0,
            count: item.indexOffset - size(ofInode: fields) - xattrs.encoded.count
        )
        let header = MapHeader(wholeFragment: part.fragment ?? 0).encoded
        tail.withUnsafeMutableBytes { bytes in
            bytes.baseAddress.unsafelyUnwrapped.store(header, at: bytes.count - MapHeader.size)
        }
        let outcome = tail.withUnsafeBytes { bytes in
            Result { () throws(EROFSError) in
                try write(fields, xattrs.encoded, tail: bytes, dataBytes: 0, part.inode, &tree)
            }
        }
        try outcome.get()
    }

    // MARK: The inode

    /// The block that the next byte of data gets, at the end of one.
    var nextBlock: UInt32 { UInt32(truncatingIfNeeded: output.position >> UInt64(Format.blockBits)) }

    private func fields(
        of part: Part,
        _ layout: Format.Layout,
        size: UInt64,
        union: UInt32,
        _ xattrCount: UInt16
    ) -> InodeFields {
        InodeFields(
            kind: part.kind,
            layout: layout,
            attributes: part.attributes,
            size: size,
            links: 1,
            union: union,
            number: firstNumber + part.inode,
            xattrCount: xattrCount
        )
    }

    func size(ofInode fields: InodeFields) -> Int {
        fields.isCompact(epoch: epoch ?? fields.modified) ? Format.compactInodeSize : Format.extendedInodeSize
    }

    /// An inode with its attributes.
    func header(_ fields: InodeFields, compact: Bool, _ xattrs: [UInt8]) -> [UInt8] {
        let size = compact ? Format.compactInodeSize : Format.extendedInodeSize
        var item = [UInt8](repeating: 0, count: size)
        item.withUnsafeMutableBytes { fields.encode(compact: compact, at: $0.baseAddress.unsafelyUnwrapped) }
        return item + xattrs
    }

    // MARK: Placing

    /// Writes an inode with its attributes and its tail, straight into the metadata stream where it fits into a block.
    func write(
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
            var item = header(fields, compact: compact, xattrs)
            if let tail { item.append(contentsOf: tail) }
            location = try place(item)
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

    func patch(_ bytes: [UInt8], at offset: UInt64) throws(EROFSError) {
        let outcome = bytes.withUnsafeBytes { buffer in
            Result { () throws(EROFSError) in try output.patch(buffer, at: offset) }
        }
        try outcome.get()
    }
}
