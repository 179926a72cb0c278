/// One block of a folder: its fixed-size entries, then their names (`struct erofs_dirent`).
struct DirectoryBlock {
    /// The number of entries, told by where the first name begins.
    let count: Int
    private let bytes: UnsafeRawBufferPointer
    private let folder: UInt64

    /// - Parameter folder: the address of the folder's inode, for messages.
    init(_ bytes: UnsafeRawBufferPointer, of folder: UInt64) throws(EROFSError) {
        guard let first: UInt16 = bytes.integer(at: 8), first >= Format.direntSize,
            Int(first) % Format.direntSize == 0, Int(first) < bytes.count
        else { throw .corrupt("a block of the folder \(folder) does not begin with entries") }
        self.bytes = bytes
        self.folder = folder
        count = Int(first) / Format.direntSize
    }

    /// The entry at a position; `.` and `..` are entries like any other.
    func entry(_ index: Int) throws(EROFSError) -> DirectoryEntry {
        let offset = index * Format.direntSize
        let isLast = index + 1 == count
        let following: UInt16? = isLast ? nil : bytes.integer(at: offset + Format.direntSize + 8)
        guard let nid: UInt64 = bytes.integer(at: offset), let start: UInt16 = bytes.integer(at: offset + 8),
            let type: UInt8 = bytes.integer(at: offset + 10)
        else { throw .corrupt("a block of the folder \(folder) ends within its entries") }
        let end = following.map(Int.init) ?? bytes.count
        guard end > Int(start), let field = bytes.slice(Int(start), end - Int(start)) else {
            throw .corrupt("a name of the folder \(folder) lies outside its block")
        }
        // The last name ends with its block or with a NUL.
        let name = isLast ? Array(field.prefix { $0 != 0 }) : Array(field)
        guard (1...Format.maximumNameLength).contains(name.count), !name.contains(0),
            !name.contains(UInt8(ascii: "/")),
            let kind = NodeKind.allCases.first(where: { $0.entryType == type })
        else { throw .corrupt("an entry of the folder \(folder) has no valid name or type") }
        return DirectoryEntry(name: name, nid: nid, kind: kind)
    }
}
