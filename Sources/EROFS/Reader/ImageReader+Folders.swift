import Glibc

extension ImageReader {
    /// A folder's entries in the order of the image, without `.` and `..`.
    public func entries(of folder: Inode) throws(EROFSError) -> [DirectoryEntry] {
        var entries: [DirectoryEntry] = []
        try forEachBlock(of: folder) { (block) throws(EROFSError) in
            for index in 0..<block.count {
                let entry = try block.entry(index)
                if entry.name == [46] || entry.name == [46, 46] { continue }
                entries.append(entry)
            }
        }
        return entries
    }

    /// The inode of a name in a folder; nil where there is none.
    public func child(named name: [UInt8], of folder: Inode) throws(EROFSError) -> Inode? {
        guard let entry = try entry(named: name, of: folder) else { return nil }
        return try inode(entry.nid)
    }

    /// The entry with a name; nil where there is none. Names are sorted over the whole folder, so blocks are searched by
    /// halves, and entries in a block too.
    func entry(named name: [UInt8], of folder: Inode) throws(EROFSError) -> DirectoryEntry? {
        try checkListing(folder)
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: Format.blockSize, alignment: 16)
        defer { buffer.deallocate() }
        var low: UInt64 = 0
        var high = (folder.size + UInt64(Format.blockSize) - 1) / UInt64(Format.blockSize)
        while low < high {
            let middle = low + (high - low) / 2
            let count = try read(folder, at: middle * UInt64(Format.blockSize), into: buffer)
            let block = try DirectoryBlock(UnsafeRawBufferPointer(rebasing: buffer[..<count]), of: folder.nid)
            if name.lexicographicallyPrecedes(try block.entry(0).name) {
                high = middle
                continue
            }
            if let found = try Self.entry(named: name, in: block) { return found }
            low = middle + 1
        }
        return nil
    }

    private static func entry(named name: [UInt8], in block: DirectoryBlock) throws(EROFSError)
        -> DirectoryEntry?
    {
        var low = 0
        var high = block.count
        while low < high {
            let middle = (low + high) / 2
            let entry = try block.entry(middle)
            if entry.name == name { return entry }
            if entry.name.lexicographicallyPrecedes(name) { low = middle + 1 } else { high = middle }
        }
        return nil
    }

    private func checkListing(_ folder: Inode) throws(EROFSError) {
        guard folder.kind == .directory else { throw .misuse("inode \(folder.nid) is no folder") }
        guard !folder.isCompressed else { throw .unsupported("the folder \(folder.nid) is compressed") }
    }

    private func forEachBlock(
        of folder: Inode,
        _ body: (DirectoryBlock) throws(EROFSError) -> Void
    ) throws(EROFSError) {
        try checkListing(folder)
        try forEachChunk(of: folder) { (bytes) throws(EROFSError) in
            var offset = 0
            while offset < bytes.count {
                let end = min(offset + Format.blockSize, bytes.count)
                let block = UnsafeRawBufferPointer(rebasing: bytes[offset..<end])
                try body(DirectoryBlock(block, of: folder.nid))
                offset = end
            }
        }
    }
}
