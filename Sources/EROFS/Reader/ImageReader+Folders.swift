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

    /// The entry with a name; nil where there is none. Blocks are searched in turn, entries in a block by halves.
    func entry(named name: [UInt8], of folder: Inode) throws(EROFSError) -> DirectoryEntry? {
        var found: DirectoryEntry?
        try forEachBlock(of: folder) { (block) throws(EROFSError) in
            guard found == nil else { return }
            var low = 0
            var high = block.count
            while low < high {
                let middle = (low + high) / 2
                let entry = try block.entry(middle)
                if entry.name == name {
                    found = entry
                    return
                }
                if entry.name.lexicographicallyPrecedes(name) { low = middle + 1 } else { high = middle }
            }
        }
        return found
    }

    private func forEachBlock(
        of folder: Inode,
        _ body: (DirectoryBlock) throws(EROFSError) -> Void
    ) throws(EROFSError) {
        guard folder.kind == .directory else { throw .misuse("inode \(folder.nid) is no folder") }
        guard !folder.isCompressed else { throw .unsupported("the folder \(folder.nid) is compressed") }
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
