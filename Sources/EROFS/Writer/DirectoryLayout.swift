import Glibc

/// Where a folder's inode and entries go. Decided for all folders before any is written, since a folder names the
/// inodes of the folders in it.
struct DirectoryLayout: BitwiseCopyable {
    /// Full blocks of entries, and the bytes of the last, partial one.
    var fullBlocks: UInt32 = 0
    var tail: UInt16 = 0
    var isInline = false
    var isCompact = false
    /// Whether the inode has blocks of its own, before the folder's data, because its attributes are large.
    var isAlone = false
    /// A byte of the folders' metadata stream; for an inode with blocks of its own, of their data.
    var offset: UInt64 = 0
    /// The first block of entries, counted from the folders' data.
    var firstBlock: UInt32 = 0
    var xattrCount: UInt16 = 0

    var size: UInt64 { UInt64(fullBlocks) * UInt64(Format.blockSize) + UInt64(tail) }
    var dataBlocks: UInt64 { UInt64(fullBlocks) + (tail > 0 && !isInline ? 1 : 0) }
}

/// Divides names into blocks: each has its fixed-size entries first, then their names.
struct DirectoryBlocks {
    private(set) var fullBlocks: UInt32 = 0
    private(set) var used = 0

    /// Takes a name; true when it begins a new block.
    mutating func add(nameLength: Int) -> Bool {
        let needed = Format.direntSize + nameLength
        guard used + needed > Format.blockSize else {
            used += needed
            return false
        }
        fullBlocks += 1
        used = needed
        return true
    }
}

/// One entry of a folder to be written: a child, the folder itself or its parent.
enum FolderEntry {
    case child(UInt32)
    case itself
    case parent
}

/// The sorted entries of a folder with `.` and `..` among them, where their names put them.
struct FolderListing {
    private static let dot: [UInt8] = [UInt8(ascii: ".")]
    private static let dotDot: [UInt8] = [UInt8(ascii: "."), UInt8(ascii: ".")]

    /// Calls `body` for each entry in order.
    ///
    /// - Parameter children: entries sorted by name.
    static func forEach(
        _ children: [UInt32],
        in tree: borrowing Tree,
        _ body: (FolderEntry, UnsafeRawBufferPointer) throws(EROFSError) -> Void
    ) throws(EROFSError) {
        var hasDot = false
        var hasDotDot = false
        for child in children {
            let name = tree.name(of: child)
            if !hasDotDot {
                if !hasDot && !name.lexicographicallyPrecedes(dot) {
                    hasDot = true
                    try call(.itself, dot, body)
                }
                if hasDot && !name.lexicographicallyPrecedes(dotDot) {
                    hasDotDot = true
                    try call(.parent, dotDot, body)
                }
            }
            try body(.child(child), name)
        }
        if !hasDot { try call(.itself, dot, body) }
        if !hasDotDot { try call(.parent, dotDot, body) }
    }

    private static func call(
        _ entry: FolderEntry,
        _ name: [UInt8],
        _ body: (FolderEntry, UnsafeRawBufferPointer) throws(EROFSError) -> Void
    ) throws(EROFSError) {
        let outcome = name.withUnsafeBytes { bytes in
            Result { () throws(EROFSError) in try body(entry, bytes) }
        }
        try outcome.get()
    }
}
