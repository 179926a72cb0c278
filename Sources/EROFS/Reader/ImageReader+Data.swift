import Glibc

extension ImageReader {
    /// Fills the buffer with the file's bytes from `offset` on, and returns how many there were: fewer at its end.
    public func read(
        _ inode: Inode,
        at offset: UInt64,
        into buffer: UnsafeMutableRawBufferPointer
    ) throws(EROFSError) -> Int {
        try DataReader(self, inode).read(at: offset, into: buffer)
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
        let data = try DataReader(self, inode)
        let size = Int(min(inode.size, 1 << 20))
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: size, alignment: 4096)
        defer { buffer.deallocate() }
        var offset: UInt64 = 0
        while offset < inode.size {
            let count = try data.read(at: offset, into: buffer)
            try body(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
            offset += UInt64(count)
        }
    }

    // MARK: Layouts

    func readFlat(_ inode: Inode, _ offset: UInt64, _ target: UnsafeMutableRawBufferPointer)
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

    func readChunks(_ inode: Inode, _ offset: UInt64, _ target: UnsafeMutableRawBufferPointer)
        throws(EROFSError)
    {
        guard !target.isEmpty else { return }
        let table = try ChunkTable(self, inode)
        let bits = table.bits
        let first = offset >> bits
        let addresses = try table.addresses(first..<(offset + UInt64(target.count) - 1) >> bits + 1)
        var done = 0
        while done < target.count {
            let position = offset + UInt64(done)
            let within = position & ((1 << bits) - 1)
            let count = Int(min(UInt64(target.count - done), (1 << bits) - within))
            let part = UnsafeMutableRawBufferPointer(rebasing: target[done..<done + count])
            if let block = addresses[Int((position >> bits) - first)] {
                try read((UInt64(block) << UInt64(Format.blockBits)) + within, into: part)
            } else {
                memset(part.baseAddress.unsafelyUnwrapped, 0, count)
            }
            done += count
        }
    }
}
