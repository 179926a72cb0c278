/// One name in a folder: 20 bytes, plus the name itself and a slot in the name table.
struct Entry: BitwiseCopyable {
    var parent: UInt32
    var inode: UInt32
    /// The sibling that follows in the folder's list, or ``Tree/none``.
    var next: UInt32
    var nameOffset: UInt32
    var nameLength: UInt8
    /// Whether the name is there; an entry that was removed keeps its record for the case that it comes back.
    var isLive: Bool
    /// Whether the entry is in its folder's list.
    var isListed: Bool
}

/// One inode: 24 bytes.
struct InodeRecord: BitwiseCopyable {
    var location: InodeLocation
    /// The bytes it takes in the image; of a folder, its index among the folders.
    var extra: UInt64
    var links: UInt32
    var kind: NodeKind
    var isCompact: Bool
    /// Whether it has its place in the image and `extra` its bytes.
    var isPlaced: Bool
}

/// What a folder has beside its inode's record. Folders are written last, so this is kept.
struct FolderRecord: BitwiseCopyable {
    var entry: UInt32
    var firstChild = Tree.none
    var subfolders: UInt32 = 0
    var userID: UInt32 = 0
    var groupID: UInt32 = 0
    var nanoseconds: UInt32 = 0
    var seconds: Int64 = 0
    /// The index of its extended attributes, plus one; 0 without any.
    var xattrs: UInt32 = 0
    var permissions: UInt16 = 0
    /// The inode's number where a finished image gave it one; else 0.
    var number: UInt32 = 0
    /// Whether it has to be written: it, or a folder in it, is not as a finished image has it.
    var isChanged = true
    var layout = DirectoryLayout()
}
