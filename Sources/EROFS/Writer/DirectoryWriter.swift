import Glibc
import Host

/// Writes the folders, when all else has its place: their inodes with small listings as one packed stream, the
/// larger listings behind it, and the root's inode into the first block.
struct DirectoryWriter: ~Copyable {
    private let assembler: Assembler
    private let file: File
    private let cancellation: Cancellation?
    private let root: RootPlace
    /// The folders that are there, the root first, in the order of writing.
    private var order: [UInt32] = []
    /// The encoded extended attributes of folders that have any, by the folder record's number for them.
    private var xattrs: [UInt32: [UInt8]] = [:]
    private var packer = BlockPacker()
    private var dataBlocks: UInt64 = 0
    private let epoch: Timestamp

    init(_ assembler: Assembler, file: File, root: RootPlace, epoch: Timestamp, cancellation: Cancellation?) {
        self.assembler = assembler
        self.file = file
        self.root = root
        self.epoch = epoch
        self.cancellation = cancellation
    }

    /// Writes all folders, the root's inode into `firstBlock`, and returns the offset behind them.
    mutating func write(
        _ tree: inout Tree,
        firstBlock: UnsafeMutableRawBufferPointer
    ) throws(EROFSError) -> UInt64 {
        try plan(&tree)
        try assembler.output.flush()
        let metadataStart = assembler.output.position
        let dataStart = metadataStart + packer.nextBlock * UInt64(Format.blockSize)
        for folder in order {
            let layout = tree.folders[Int(folder)].layout
            let start = folder == 0 ? 0 : layout.isAlone ? dataStart : metadataStart
            let inode = Int(tree.entries[Int(tree.folders[Int(folder)].entry)].inode)
            tree.inodes[inode].location = InodeLocation(byte: start + layout.offset)
        }
        let metadata = ImageOutput(file: file, at: metadataStart)
        let data = ImageOutput(file: file, at: dataStart)
        var window = BlockWindow()
        let builder = DirectoryBlockBuilder()
        for folder in order {
            try checkCancellation()
            try write(folder, &tree, builder, data, dataStart) { (offset) throws(EROFSError) in
                if folder == 0 { return firstBlock.baseAddress.unsafelyUnwrapped + Int(offset) }
                return try window.memory(at: offset) { (block) throws(EROFSError) in
                    try metadata.append(block)
                }
            }
        }
        try window.finish { (block) throws(EROFSError) in try metadata.append(block) }
        try metadata.flush()
        try data.flush()
        return data.position
    }

    private func checkCancellation() throws(EROFSError) {
        if cancellation?.isCancelled == true { throw .cancelled }
    }

    // MARK: Planning

    /// Gives each folder its place, in depth-first order.
    private mutating func plan(_ tree: inout Tree) throws(EROFSError) {
        var stack: [UInt32] = [0]
        var children: [UInt32] = []
        while let folder = stack.popLast() {
            try checkCancellation()
            order.append(folder)
            tree.sortChildren(ofFolder: Int(folder), into: &children)
            var blocks = DirectoryBlocks()
            try FolderListing.forEach(children, in: tree) { _, name in _ = blocks.add(nameLength: name.count)
            }
            try place(folder, blocks, &tree)
            for child in children.reversed() {
                guard let subfolder = tree.folder(of: child) else { continue }
                // One that a finished image has as it is, and whose parent keeps its place.
                if folder == 0, root.isKept, !tree.folders[subfolder].isChanged { continue }
                stack.append(UInt32(subfolder))
            }
        }
    }

    private mutating func place(_ folder: UInt32, _ blocks: DirectoryBlocks, _ tree: inout Tree)
        throws(EROFSError)
    {
        let attributes = tree.attributes(ofFolder: folder)
        // Half of the first block is left to the root's listing: larger attributes go to the shared area.
        let isLargeRoot = folder == 0 && XattrTable.encodedSize(attributes.xattrs) > Format.blockSize / 4
        let count = assembler.xattrs.encode(attributes.xattrs, sharingAll: isLargeRoot)
        let encoded = assembler.xattrs.encoded
        if !encoded.isEmpty { xattrs[folder] = encoded }
        var layout = DirectoryLayout()
        layout.fullBlocks = blocks.fullBlocks
        layout.tail = UInt16(blocks.used)
        layout.xattrCount = count
        layout.isCompact = fields(folder, layout, tree, start: 0).isCompact(epoch: epoch)
        let inodeSize = layout.isCompact ? Format.compactInodeSize : Format.extendedInodeSize
        let room = folder == 0 ? root.room : Format.blockSize
        layout.isInline = inodeSize + encoded.count + blocks.used <= room
        let size = inodeSize + encoded.count + (layout.isInline ? blocks.used : 0)
        if folder == 0 {
            guard size <= room else {
                throw .unsupported("more extended attributes on the root folder than EROFS holds there")
            }
            layout.offset = UInt64(root.offset)
        } else if size <= Format.blockSize {
            layout.offset = packer.place(size)
        } else {
            layout.isAlone = true
            layout.offset = dataBlocks * UInt64(Format.blockSize)
            dataBlocks += UInt64(align(size, to: Format.blockSize) / Format.blockSize)
        }
        layout.firstBlock = UInt32(truncatingIfNeeded: dataBlocks)
        dataBlocks += layout.dataBlocks
        tree.folders[Int(folder)].layout = layout
    }

    private func fields(
        _ folder: UInt32,
        _ layout: DirectoryLayout,
        _ tree: borrowing Tree,
        start: UInt64
    ) -> InodeFields {
        let record = tree.folders[Int(folder)]
        let inode = tree.entries[Int(record.entry)].inode
        let block = start / UInt64(Format.blockSize) + UInt64(layout.firstBlock)
        return InodeFields(
            kind: .directory,
            layout: layout.isInline ? .flatInline : .flatPlain,
            attributes: Attributes(
                permissions: record.permissions,
                userID: record.userID,
                groupID: record.groupID,
                modified: Timestamp(seconds: record.seconds, nanoseconds: record.nanoseconds)
            ),
            size: layout.size,
            links: 2 + record.subfolders,
            union: layout.dataBlocks == 0 ? 0 : UInt32(truncatingIfNeeded: block),
            number: record.number == 0 ? assembler.firstNumber + inode : record.number,
            xattrCount: layout.xattrCount
        )
    }

    // MARK: Writing

    private func write(
        _ folder: UInt32,
        _ tree: inout Tree,
        _ builder: DirectoryBlockBuilder,
        _ data: ImageOutput,
        _ dataStart: UInt64,
        memory: (UInt64) throws(EROFSError) -> UnsafeMutableRawPointer
    ) throws(EROFSError) {
        let record = tree.folders[Int(folder)]
        let layout = record.layout
        let encoded = xattrs[folder] ?? []
        let inodeSize = layout.isCompact ? Format.compactInodeSize : Format.extendedInodeSize
        var head = [UInt8](repeating: 0, count: inodeSize)
        let fields = fields(folder, layout, tree, start: dataStart)
        head.withUnsafeMutableBytes {
            fields.encode(compact: layout.isCompact, at: $0.baseAddress.unsafelyUnwrapped)
        }
        head += encoded
        if layout.isAlone {
            let outcome = head.withUnsafeBytes { bytes in
                Result { () throws(EROFSError) in try data.append(bytes) }
            }
            try outcome.get()
            try data.padToBlock()
        }
        try list(record, &tree, builder, data)
        let (used, block) = builder.finish()
        if !layout.isInline { try data.append(block) }
        guard !layout.isAlone else { return }
        let target = try memory(layout.offset)
        target.store(head, at: 0)
        if layout.isInline { target.store(UnsafeRawBufferPointer(rebasing: block[..<used]), at: head.count) }
    }

    /// Fills the builder with the folder's entries; full blocks go to `data`.
    private func list(
        _ record: FolderRecord,
        _ tree: inout Tree,
        _ builder: DirectoryBlockBuilder,
        _ data: ImageOutput
    ) throws(EROFSError) {
        var children: [UInt32] = []
        var child = record.firstChild
        while child != Tree.none {
            children.append(child)
            child = tree.entries[Int(child)].next
        }
        builder.begin()
        let parent = tree.entries[Int(record.entry)].parent
        try FolderListing.forEach(children, in: tree) { (entry, name) throws(EROFSError) in
            let target =
                switch entry {
                case .child(let child): child
                case .itself: record.entry
                case .parent: parent
                }
            let inode = tree.inode(of: target)
            let byte = assembler.metadata.imageByte(of: inode.location)
            try builder.add(nid: byte / UInt64(Format.slotSize), type: inode.kind.entryType, name: name) {
                (block) throws(EROFSError) in try data.append(block)
            }
        }
    }
}
