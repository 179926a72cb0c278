import Host

/// Brings the link counts on disk up to date: inodes are written with one link, before their other names are known.
struct LinkPatcher {
    let file: File
    let epoch: Timestamp
    /// How many names the first inodes have on disk already, where they are a finished image's.
    var existing: [UInt32] = []

    func patch(_ tree: inout Tree, _ assembler: Assembler) throws(EROFSError) {
        let output = assembler.output
        var moved: Set<UInt32> = []
        for index in 0..<tree.inodes.count {
            let record = tree.inodes[index]
            if index < existing.count {
                // A finished image stays as it is: an inode whose count changes is written anew.
                guard record.kind != .directory, record.links > 0, record.links != existing[index] else {
                    continue
                }
                tree.inodes[index].location = try copy(record.location.imageByte, links: record.links, output)
                moved.insert(UInt32(index))
                continue
            }
            guard record.kind != .directory, record.links > 1 else { continue }
            let byte = assembler.metadata.imageByte(of: record.location)
            if record.isCompact && record.links > UInt16.max {
                tree.inodes[index].location = try relocate(byte, links: record.links, output)
                tree.inodes[index].isCompact = false
            } else if record.isCompact {
                try write(UInt16(record.links), at: byte + UInt64(InodeFields.compactLinksOffset), output)
            } else {
                try write(record.links, at: byte + UInt64(InodeFields.extendedLinksOffset), output)
            }
        }
        tree.markChanged(foldersOf: moved)
    }

    private func write(
        _ links: some FixedWidthInteger,
        at offset: UInt64,
        _ output: ImageOutput
    ) throws(EROFSError) {
        var value = links.littleEndian
        let outcome = withUnsafeBytes(of: &value) { bytes in
            Result { () throws(EROFSError) in try output.patch(bytes, at: offset) }
        }
        try outcome.get()
    }

    /// Copies a compact inode, whose link count has 16 bits, to the end of the image in the extended form.
    private func relocate(_ byte: UInt64, links: UInt32, _ output: ImageOutput) throws(EROFSError)
        -> InodeLocation
    {
        try output.flush()
        return try write(
            try readInode(at: byte, size: Format.compactInodeSize),
            at: byte,
            links,
            compact: false,
            output
        )
    }

    /// Copies an inode in the form it has to the end of the image, in blocks of its own.
    private func copy(_ byte: UInt64, links: UInt32, _ output: ImageOutput) throws(EROFSError)
        -> InodeLocation
    {
        try output.flush()
        let format = try read(2, at: byte)
        let isCompact = format[0] & 1 == 0
        let size = isCompact ? Format.compactInodeSize : Format.extendedInodeSize
        guard !isCompact || links <= UInt16.max else { return try relocate(byte, links: links, output) }
        return try write(try readInode(at: byte, size: size), at: byte, links, compact: isCompact, output)
    }

    private func readInode(at byte: UInt64, size: Int) throws(EROFSError) -> (fields: InodeFields, size: Int)
    {
        let bytes = try read(size, at: byte)
        guard let fields = bytes.withUnsafeBytes({ InodeFields(decoding: $0, epoch: epoch) }) else {
            throw .corrupt("the image changed while it was written")
        }
        return (fields, size)
    }

    private func write(
        _ old: (fields: InodeFields, size: Int),
        at byte: UInt64,
        _ links: UInt32,
        compact: Bool,
        _ output: ImageOutput
    ) throws(EROFSError) -> InodeLocation {
        var fields = old.fields
        fields.links = links
        let size = compact ? Format.compactInodeSize : Format.extendedInodeSize
        var item = [UInt8](repeating: 0, count: size)
        item.withUnsafeMutableBytes { fields.encode(compact: compact, at: $0.baseAddress.unsafelyUnwrapped) }
        let offset = output.position
        try append(item, output)
        var rest = try fields.bytesBehind(inodeSize: old.size) { (behind) throws(EROFSError) in
            let bytes = try read(MapHeader.size, at: byte + UInt64(old.size + behind))
            return MapHeader(decoding: bytes.withUnsafeBytes { $0.integer(at: 0) ?? 0 })
        }
        var position = byte + UInt64(old.size)
        while rest > 0 {
            let piece = try read(Int(min(rest, 1 << 16)), at: position)
            try append(piece, output)
            position += UInt64(piece.count)
            rest -= UInt64(piece.count)
        }
        try output.padToBlock()
        return InodeLocation(byte: offset)
    }

    private func append(_ bytes: [UInt8], _ output: ImageOutput) throws(EROFSError) {
        let outcome = bytes.withUnsafeBytes { buffer in
            Result { () throws(EROFSError) in try output.append(buffer) }
        }
        try outcome.get()
    }

    private func read(_ count: Int, at offset: UInt64) throws(EROFSError) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        let outcome = bytes.withUnsafeMutableBytes { buffer in
            Result { () throws(EROFSError) in try file.readFully(buffer, at: offset) }
        }
        try outcome.get()
        return bytes
    }
}

extension InodeFields {
    /// The bytes that belong to the inode and follow it: attributes, then tail, index or chunk addresses.
    ///
    /// - Parameter header: reads the map header of a compressed inode, at its offset behind the inode.
    func bytesBehind(inodeSize: Int, header: (Int) throws(EROFSError) -> MapHeader) throws(EROFSError)
        -> UInt64
    {
        let xattrs = xattrCount == 0 ? 0 : Format.xattrHeaderSize + (Int(xattrCount) - 1) * 4
        switch layout {
        case .flatPlain: return UInt64(xattrs)
        case .flatInline: return UInt64(xattrs) + size % UInt64(Format.blockSize)
        case .compressedFull, .compressedCompact:
            let item = CompressedItem(inodeSize: inodeSize, xattrSize: xattrs)
            let header = try header(item.headerOffset - inodeSize)
            if header.wholeFragment != nil { return UInt64(item.indexOffset - inodeSize) }
            let end =
                layout == .compressedCompact
                ? item.indexEnd(fileSize: size)
                : UInt64(item.indexOffset) + 8 + CompactIndex.entryCount(size: size)
                    * UInt64(Format.indexEntrySize)
            return end - UInt64(inodeSize) + UInt64(header.inlineSize)
        case .chunkBased:
            let bits = UInt64(Format.blockBits) + UInt64(union & 0x1F)
            return UInt64(xattrs) + ((size + (1 << bits) - 1) >> bits) * 4
        }
    }
}

extension File {
    /// Reads exactly the buffer's size at `offset`; an image that ends before is corrupt.
    func readFully(_ buffer: UnsafeMutableRawBufferPointer, at offset: UInt64) throws(EROFSError) {
        var done = 0
        while done < buffer.count {
            let count: Int
            do {
                count = try read(
                    into: UnsafeMutableRawBufferPointer(rebasing: buffer[done...]),
                    at: offset + UInt64(done)
                )
            } catch { throw .file(error) }
            guard count > 0 else { throw .corrupt("it ends at byte \(offset + UInt64(done))") }
            done += count
        }
    }
}
