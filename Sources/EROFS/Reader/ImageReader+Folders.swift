import Glibc

extension ImageReader {
    /// A folder's entries in the order of the image, without `.` and `..`.
    public func entries(of folder: Inode) throws(EROFSError) -> [DirectoryEntry] {
        var entries: [DirectoryEntry] = []
        try forEachBlock(of: folder) { (block) throws(EROFSError) in
            for index in 0..<(try count(block, folder)) {
                let entry = try self.entry(index, block, folder)
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
            var high = try count(block, folder)
            while low < high {
                let middle = (low + high) / 2
                let entry = try self.entry(middle, block, folder)
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
        _ body: (UnsafeRawBufferPointer) throws(EROFSError) -> Void
    ) throws(EROFSError) {
        guard folder.kind == .directory else { throw .misuse("inode \(folder.nid) is no folder") }
        guard !folder.isCompressed else { throw .unsupported("the folder \(folder.nid) is compressed") }
        try forEachChunk(of: folder) { (bytes) throws(EROFSError) in
            var offset = 0
            while offset < bytes.count {
                let end = min(offset + Format.blockSize, bytes.count)
                try body(UnsafeRawBufferPointer(rebasing: bytes[offset..<end]))
                offset = end
            }
        }
    }

    /// The number of entries in a block, told by where the first name begins.
    private func count(_ block: UnsafeRawBufferPointer, _ folder: Inode) throws(EROFSError) -> Int {
        guard let first: UInt16 = block.integer(at: 8), first >= Format.direntSize,
            Int(first) % Format.direntSize == 0, Int(first) < block.count
        else { throw .corrupt("a block of the folder \(folder.nid) does not begin with entries") }
        return Int(first) / Format.direntSize
    }

    private func entry(_ index: Int, _ block: UnsafeRawBufferPointer, _ folder: Inode) throws(EROFSError)
        -> DirectoryEntry
    {
        let offset = index * Format.direntSize
        let isLast = index + 1 == (try count(block, folder))
        let following: UInt16? = isLast ? nil : block.integer(at: offset + Format.direntSize + 8)
        guard let nid: UInt64 = block.integer(at: offset), let start: UInt16 = block.integer(at: offset + 8),
            let type: UInt8 = block.integer(at: offset + 10)
        else { throw .corrupt("a block of the folder \(folder.nid) ends within its entries") }
        let end = following.map(Int.init) ?? block.count
        guard end > Int(start), let bytes = block.slice(Int(start), end - Int(start)) else {
            throw .corrupt("a name of the folder \(folder.nid) lies outside its block")
        }
        // The last name ends with its block or with a NUL.
        let name = isLast ? Array(bytes.prefix { $0 != 0 }) : Array(bytes)
        guard (1...Format.maximumNameLength).contains(name.count), !name.contains(0),
            !name.contains(UInt8(ascii: "/")),
            let kind = NodeKind.allCases.first(where: { $0.entryType == type })
        else { throw .corrupt("an entry of the folder \(folder.nid) has no valid name or type") }
        return DirectoryEntry(name: name, nid: nid, kind: kind)
    }
}
