import Glibc

extension ImageReader {
    /// Fills the buffer with the file's bytes from `offset` on, and returns how many there were: fewer at its end.
    public func read(
        _ inode: Inode,
        at offset: UInt64,
        into buffer: UnsafeMutableRawBufferPointer
    ) throws(EROFSError) -> Int {
        guard [.regular, .directory, .symbolicLink].contains(inode.kind) else {
            throw .misuse("inode \(inode.nid) has no data")
        }
        guard offset < inode.size else { return 0 }
        let count = Int(min(inode.size - offset, UInt64(buffer.count)))
        let target = UnsafeMutableRawBufferPointer(rebasing: buffer[..<count])
        switch inode.fields.layout {
        case .flatPlain, .flatInline: try readFlat(inode, offset, target)
        case .chunkBased: try readChunks(inode, offset, target)
        case .compressedFull: try readClusters(inode, offset, target)
        case .compressedCompact:
            throw .unsupported("inode \(inode.nid) has a compacted index, which is not read here")
        }
        return count
    }

    /// All bytes of a file, up to a limit beyond which they are an error.
    public func readAll(_ inode: Inode, limit: Int = 1 << 30) throws(EROFSError) -> [UInt8] {
        guard inode.size <= UInt64(limit) else {
            throw .unsupported(
                "inode \(inode.nid) has \(inode.size) bytes, more than the \(limit) that are read at once"
            )
        }
        // A few bytes of metadata can claim a large file, so memory is taken as the data proves to be there.
        var all: [UInt8] = []
        try forEachChunk(of: inode) { (bytes) throws(EROFSError) in all.append(contentsOf: bytes) }
        return all
    }

    /// Calls `body` with the file's bytes in order, a megabyte at a time.
    public func forEachChunk(
        of inode: Inode,
        _ body: (UnsafeRawBufferPointer) throws(EROFSError) -> Void
    ) throws(EROFSError) {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 4096)
        defer { buffer.deallocate() }
        var offset: UInt64 = 0
        while offset < inode.size {
            let count = try read(inode, at: offset, into: buffer)
            try body(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
            offset += UInt64(count)
        }
    }

    // MARK: Layouts

    private func readFlat(_ inode: Inode, _ offset: UInt64, _ target: UnsafeMutableRawBufferPointer)
        throws(EROFSError)
    {
        let blockSize = UInt64(Format.blockSize)
        let start = UInt64(inode.fields.union) * blockSize
        let tail = inode.isInline ? inode.size % blockSize : 0
        let bodyEnd = inode.size - tail
        let fromBody = offset < bodyEnd ? Int(min(bodyEnd - offset, UInt64(target.count))) : 0
        if fromBody > 0 {
            try read(start + offset, into: UnsafeMutableRawBufferPointer(rebasing: target[..<fromBody]))
        }
        guard fromBody < target.count else { return }
        guard inode.bodyOffset % blockSize + tail <= blockSize else {
            throw .corrupt("the tail of inode \(inode.nid) crosses a block")
        }
        let inTail = offset + UInt64(fromBody) - bodyEnd
        try read(
            inode.bodyOffset + inTail,
            into: UnsafeMutableRawBufferPointer(rebasing: target[fromBody...])
        )
    }

    private func readChunks(_ inode: Inode, _ offset: UInt64, _ target: UnsafeMutableRawBufferPointer)
        throws(EROFSError)
    {
        let format = inode.fields.union
        guard format & ~0x1F == 0 else {
            throw .unsupported("inode \(inode.nid) has chunks of the format \(format)")
        }
        let bits = UInt64(Format.blockBits) + UInt64(format & 0x1F)
        guard !target.isEmpty else { return }
        let first = offset >> bits
        let count = Int(((offset + UInt64(target.count) - 1) >> bits) - first) + 1
        let addresses = try read(align(inode.bodyOffset, to: 4) + first * 4, count * 4)
        var done = 0
        while done < target.count {
            let position = offset + UInt64(done)
            let within = position & ((1 << bits) - 1)
            let count = Int(min(UInt64(target.count - done), (1 << bits) - within))
            let part = UnsafeMutableRawBufferPointer(rebasing: target[done..<done + count])
            let entry = Int((position >> bits) - first) * 4
            let block = addresses.withUnsafeBytes { $0.integer(at: entry, as: UInt32.self) } ?? 0
            if block == Format.holeAddress {
                memset(part.baseAddress.unsafelyUnwrapped, 0, count)
            } else {
                try read((UInt64(block) << UInt64(Format.blockBits)) + within, into: part)
            }
            done += count
        }
    }
}
