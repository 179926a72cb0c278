import Glibc

/// The names and inodes of the image to be, in a few flat buffers: no object, string or dictionary per entry.
struct Tree: ~Copyable {
    static let none = UInt32.max
    static let root: UInt32 = 0

    var entries = GrowingBuffer<Entry>()
    var inodes = GrowingBuffer<InodeRecord>()
    var folders = GrowingBuffer<FolderRecord>()
    private(set) var names = GrowingBuffer<UInt8>()
    private var table = NameTable()
    var folderXattrs: [[ExtendedAttribute]] = []
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
}
