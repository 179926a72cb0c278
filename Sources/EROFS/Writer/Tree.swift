import Glibc

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

/// The names and inodes of the image to be, in a few flat buffers: no object, string or dictionary per entry.
struct Tree: ~Copyable {
    static let none = UInt32.max
    static let root: UInt32 = 0

    var entries = GrowingBuffer<Entry>()
    var inodes = GrowingBuffer<InodeRecord>()
    var folders = GrowingBuffer<FolderRecord>()
    private var names = GrowingBuffer<UInt8>()
    private var table = NameTable()
    private var folderXattrs: [[ExtendedAttribute]] = []
    /// The number of names that are there, without the root's.
    private(set) var liveEntries: UInt64 = 0
    /// The bytes in the image of inodes that lost their last name.
    private(set) var deadBytes: UInt64 = 0

    init() {
        entries.append(
            Entry(
                parent: Self.root,
                inode: 0,
                next: Self.none,
                nameOffset: 0,
                nameLength: 0,
                isLive: true,
                isListed: true
            )
        )
        addInode(.directory)
        setAttributes(Attributes(permissions: 0o755), ofFolder: Self.root)
    }

    // MARK: Looking

    func name(of entry: UInt32) -> UnsafeRawBufferPointer {
        let record = entries[Int(entry)]
        let all = UnsafeRawBufferPointer(names.elements)
        let start = Int(record.nameOffset)
        return UnsafeRawBufferPointer(rebasing: all[start..<start + Int(record.nameLength)])
    }

    func inode(of entry: UInt32) -> InodeRecord { inodes[Int(entries[Int(entry)].inode)] }

    func kind(of entry: UInt32) -> NodeKind { inode(of: entry).kind }

    /// The folder record's index of an entry that is a folder.
    func folder(of entry: UInt32) -> Int? {
        let record = inode(of: entry)
        return record.kind == .directory ? Int(record.extra) : nil
    }

    func child(_ name: UnsafeRawBufferPointer, of parent: UInt32) -> UInt32? {
        find(name, NameTable.hash(name, in: parent), parent).flatMap { entries[Int($0)].isLive ? $0 : nil }
    }

    private func find(_ name: UnsafeRawBufferPointer, _ hash: UInt32, _ parent: UInt32) -> UInt32? {
        table.find(hash) { entry in
            let record = entries[Int(entry)]
            guard record.parent == parent, Int(record.nameLength) == name.count else { return false }
            guard let left = self.name(of: entry).baseAddress, let right = name.baseAddress else {
                return false
            }
            return memcmp(left, right, name.count) == 0
        }
    }

    // MARK: Adding

    /// Makes an inode without a name.
    @discardableResult
    mutating func addInode(_ kind: NodeKind) -> UInt32 {
        let index = UInt32(inodes.count)
        var extra: UInt64 = 0
        if kind == .directory {
            extra = UInt64(folders.count)
            folders.append(FolderRecord(entry: Self.root))
        }
        inodes.append(
            InodeRecord(
                location: InodeLocation(byte: 0),
                extra: extra,
                links: 0,
                kind: kind,
                isCompact: false,
                isPlaced: false
            )
        )
        return index
    }

    /// Gives an inode a name in a folder. What had the name before goes.
    mutating func link(_ name: UnsafeRawBufferPointer, in parent: UInt32, to inode: UInt32) throws(EROFSError)
        -> UInt32
    {
        let hash = NameTable.hash(name, in: parent)
        inodes[Int(inode)].links += 1
        let entry: UInt32
        if let old = find(name, hash, parent) {
            if entries[Int(old)].isLive { remove(old) }
            entry = old
            entries[Int(entry)].inode = inode
            entries[Int(entry)].isLive = true
        } else {
            guard names.count + name.count <= Int(UInt32.max), entries.count < Int(Self.none) - 1 else {
                throw .unsupported("more names than an image can be made of here")
            }
            entry = UInt32(entries.count)
            entries.append(
                Entry(
                    parent: parent,
                    inode: inode,
                    next: Self.none,
                    nameOffset: UInt32(names.count),
                    nameLength: UInt8(truncatingIfNeeded: name.count),
                    isLive: true,
                    isListed: false
                )
            )
            names.append(contentsOf: name.bindMemory(to: UInt8.self))
            table.insert(hash, entry)
        }
        guard let folder = folder(of: parent) else { return entry }
        markChanged(parent)
        if !entries[Int(entry)].isListed {
            entries[Int(entry)].next = folders[folder].firstChild
            entries[Int(entry)].isListed = true
            folders[folder].firstChild = entry
        }
        if let own = self.folder(of: entry) {
            folders[own].entry = entry
            folders[folder].subfolders += 1
        }
        liveEntries += 1
        return entry
    }

    // MARK: Removing

    /// Takes a name out, with everything below it.
    mutating func remove(_ entry: UInt32) {
        markChanged(entries[Int(entry)].parent)
        if let folder = folder(of: entries[Int(entry)].parent), kind(of: entry) == .directory {
            folders[folder].subfolders -= 1
        }
        var stack: [UInt32] = []
        unlink(entry, &stack)
        while let folder = stack.popLast() {
            // The list goes with its folder: a name that comes back below a new folder is listed anew.
            var child = folders[Int(folder)].firstChild
            folders[Int(folder)].firstChild = Self.none
            while child != Self.none {
                let record = entries[Int(child)]
                entries[Int(child)].isListed = false
                if record.isLive { unlink(child, &stack) }
                child = record.next
            }
        }
    }

    private mutating func unlink(_ entry: UInt32, _ folders: inout [UInt32]) {
        entries[Int(entry)].isLive = false
        liveEntries -= 1
        let index = Int(entries[Int(entry)].inode)
        inodes[index].links -= 1
        let inode = inodes[index]
        if inode.kind == .directory {
            folders.append(UInt32(inode.extra))
        } else if inode.links == 0 && inode.isPlaced {
            deadBytes += inode.extra
        }
    }

    /// Notes where a file's inode is and how many bytes it takes.
    mutating func place(_ inode: UInt32, at location: InodeLocation, isCompact: Bool, bytes: UInt64) {
        inodes[Int(inode)].location = location
        inodes[Int(inode)].isCompact = isCompact
        inodes[Int(inode)].extra = bytes
        inodes[Int(inode)].isPlaced = true
        if inodes[Int(inode)].links == 0 { deadBytes += bytes }
    }

    // MARK: Folders

    func attributes(ofFolder folder: UInt32) -> Attributes {
        let record = folders[Int(folder)]
        return Attributes(
            permissions: record.permissions,
            userID: record.userID,
            groupID: record.groupID,
            modified: Timestamp(seconds: record.seconds, nanoseconds: record.nanoseconds),
            xattrs: record.xattrs == 0 ? [] : folderXattrs[Int(record.xattrs) - 1]
        )
    }

    mutating func setAttributes(_ attributes: Attributes, ofFolder folder: UInt32) {
        let index = Int(folder)
        markChanged(folders[index].entry)
        folders[index].permissions = attributes.permissions
        folders[index].userID = attributes.userID
        folders[index].groupID = attributes.groupID
        folders[index].seconds = attributes.modified.seconds
        folders[index].nanoseconds = attributes.modified.nanoseconds
        if folders[index].xattrs != 0 {
            folderXattrs[Int(folders[index].xattrs) - 1] = attributes.xattrs
        } else if !attributes.xattrs.isEmpty {
            folderXattrs.append(attributes.xattrs)
            folders[index].xattrs = UInt32(folderXattrs.count)
        }
    }

    /// Notes that a folder has to be written, and so those above it.
    private mutating func markChanged(_ entry: UInt32) {
        var entry = entry
        while let folder = folder(of: entry), !folders[folder].isChanged {
            folders[folder].isChanged = true
            entry = entries[Int(entry)].parent
        }
    }

    /// Notes that the folders have to be written that name any of these inodes.
    mutating func markChanged(foldersOf inodes: Set<UInt32>) {
        guard !inodes.isEmpty else { return }
        for entry in entries.elements where entry.isLive && inodes.contains(entry.inode) {
            markChanged(entry.parent)
        }
    }

    /// The folder's entries that are there, sorted by the bytes of their names. The list is left in that order.
    mutating func sortChildren(ofFolder folder: Int, into sorted: inout [UInt32]) {
        sorted.removeAll(keepingCapacity: true)
        var child = folders[folder].firstChild
        while child != Self.none {
            if entries[Int(child)].isLive { sorted.append(child) }
            child = entries[Int(child)].next
        }
        let all = UnsafeRawBufferPointer(names.elements)
        let entries = entries.elements
        sorted.sort { left, right in
            Self.precedes(
                all,
                Int(entries[Int(left)].nameOffset),
                Int(entries[Int(left)].nameLength),
                Int(entries[Int(right)].nameOffset),
                Int(entries[Int(right)].nameLength)
            )
        }
        var next = Self.none
        for child in sorted.reversed() {
            entries[Int(child)].next = next
            next = child
        }
        folders[folder].firstChild = next
    }

    private static func precedes(
        _ names: UnsafeRawBufferPointer,
        _ left: Int,
        _ leftCount: Int,
        _ right: Int,
        _ rightCount: Int
    ) -> Bool {
        guard let base = names.baseAddress else { return false }
        let order = memcmp(base + left, base + right, min(leftCount, rightCount))
        return order != 0 ? order < 0 : leftCount < rightCount
    }
}
