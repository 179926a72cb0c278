public import Host

/// Writes an EROFS image in one pass over what goes into it.
///
/// Data, inline tails and compression indexes go to the file as each file ends; memory holds only the names, a few
/// dozen bytes for each, and a bounded number of one-megabyte buffers. Folders and the superblock come last, so an
/// image is not one before ``finish()`` returned. The same calls make the same bytes, whatever ``WriterOptions/jobs``.
///
/// A name that is added again replaces what was there, with everything below it. An error from the file or a
/// cancellation is final: every later call throws it again.
///
/// A writer belongs to one thread. It may go at any time: its threads end with it.
public final class ImageWriter {
    /// A name in the tree. It stays valid until it is removed or replaced.
    public struct Node: Hashable, Sendable {
        let entry: UInt32
    }

    var tree: Tree
    let pipeline: Pipeline
    let file: File
    private(set) var options: WriterOptions
    /// The file between ``beginFile(named:in:size:attributes:)`` and ``endFile()``.
    var openFile: FileInProgress?
    /// The image that this one extends, if it does.
    let existing: ExistingImage?
    private var isFinished = false
    /// Whether the packed inode is made of others', and how many bytes it has then.
    var isTakingPacked = false
    var packedEnd: UInt64 = 0

    /// Begins an image in an empty file that is open for reading and writing.
    ///
    /// - Throws: ``EROFSError/misuse(_:)`` for options out of range; ``EROFSError/file(_:)`` when no thread can be had.
    public convenience init(file: File, options: WriterOptions) throws(EROFSError) {
        try self.init(file: file, options: options, tree: Tree(), existing: nil)
    }

    init(file: File, options: WriterOptions, tree: consuming Tree, existing: ExistingImage?)
        throws(EROFSError)
    {
        try options.validate()
        self.file = file
        self.options = options
        self.tree = tree
        self.existing = existing
        pipeline = try Pipeline(
            file: file,
            startingAt: existing?.end ?? UInt64(Format.blockSize),
            options: options
        )
    }

    /// Bytes that the image carries behind its file system, for ``ImageReader/note(endingAt:)``; settable up to
    /// ``finish()``. Nothing is written where there are none.
    public var note: [UInt8] = []

    /// The volume's identifier, 16 bytes: settable up to ``finish()``, for one that is told by all that was written.
    public var uuid: [UInt8] {
        get { options.uuid }
        set { options.uuid = newValue }
    }

    // MARK: Looking

    /// The root folder.
    public var root: Node { Node(entry: Tree.root) }

    /// What a folder has under a name: a hash lookup, however large the folder. nil where there is nothing, or where
    /// `folder` is none.
    public func child(named name: ArraySlice<UInt8>, of folder: Node) -> Node? {
        withBytes(name) { tree.child($0, of: folder.entry) }.map(Node.init)
    }

    /// The type of a node.
    public func kind(of node: Node) -> NodeKind { tree.kind(of: node.entry) }

    /// The name of a node; empty for the root.
    public func name(of node: Node) -> [UInt8] { Array(tree.name(of: node.entry)) }

    /// The folder that holds a node; the root for the root.
    public func parent(of node: Node) -> Node { Node(entry: tree.entries[Int(node.entry)].parent) }

    /// The attributes of a folder.
    ///
    /// - Throws: ``EROFSError/notADirectory(_:)`` for anything else: what is no folder is written already.
    public func attributes(of folder: Node) throws(EROFSError) -> Attributes {
        tree.attributes(ofFolder: try folderIndex(folder))
    }

    /// Calls `body` with each node of a folder and its name, in no particular order. The name's bytes are valid during
    /// the call; `body` may remove the node, but not add any.
    public func forEachChild<Failure: Error>(
        of folder: Node,
        _ body: (Node, UnsafeRawBufferPointer) throws(Failure) -> Void
    ) throws(Failure) {
        guard let index = tree.folder(of: folder.entry) else { return }
        var child = tree.folders[index].firstChild
        while child != Tree.none {
            let record = tree.entries[Int(child)]
            if record.isLive { try body(Node(entry: child), tree.name(of: child)) }
            child = record.next
        }
    }

    // MARK: Changing

    /// Sets the attributes of a folder, the root included.
    public func setAttributes(_ attributes: Attributes, of folder: Node) throws(EROFSError) {
        let index = try folderIndex(folder)
        try Validation.check(attributes)
        tree.setAttributes(attributes, ofFolder: index)
    }

    /// Adds an empty folder.
    @discardableResult
    public func addDirectory(
        named name: ArraySlice<UInt8>,
        in folder: Node,
        attributes: Attributes
    ) throws(EROFSError) -> Node {
        let (node, inode) = try add(.directory, name, folder, attributes)
        tree.setAttributes(attributes, ofFolder: UInt32(tree.inodes[Int(inode)].extra))
        return node
    }

    /// Adds a symbolic link to a target of 1 to 4,095 bytes.
    @discardableResult
    public func addSymbolicLink(
        named name: ArraySlice<UInt8>,
        in folder: Node,
        target: ArraySlice<UInt8>,
        attributes: Attributes
    ) throws(EROFSError) -> Node {
        try withBytes(target) { (bytes) throws(EROFSError) in
            try Validation.check(target: bytes)
            let (node, inode) = try add(.symbolicLink, name, folder, attributes)
            var part = part(inode, .symbolicLink, attributes)
            part.size = UInt64(bytes.count)
            try pipeline.add(part, bytes, &tree)
            return node
        }
    }

    /// Adds a character or block device; Linux has 12 bits for the major number and 20 for the minor.
    @discardableResult
    public func addDevice(
        named name: some Collection<UInt8>,
        in folder: Node,
        kind: NodeKind,
        major: UInt32,
        minor: UInt32,
        attributes: Attributes
    ) throws(EROFSError) -> Node {
        guard kind == .characterDevice || kind == .blockDevice else {
            throw .misuse("a device of the kind \(kind)")
        }
        let number = DeviceNumber(major: major, minor: minor)
        try Validation.check(number)
        return try addSpecial(kind, name, folder, number: number.encoded, attributes)
    }

    /// Adds a named pipe.
    @discardableResult
    public func addFIFO(
        named name: some Collection<UInt8>,
        in folder: Node,
        attributes: Attributes
    ) throws(EROFSError) -> Node {
        try addSpecial(.fifo, name, folder, number: 0, attributes)
    }

    /// Adds a socket.
    @discardableResult
    public func addSocket(
        named name: some Collection<UInt8>,
        in folder: Node,
        attributes: Attributes
    ) throws(EROFSError) -> Node {
        try addSpecial(.socket, name, folder, number: 0, attributes)
    }

    /// Gives anything but a folder a further name.
    @discardableResult
    public func addHardLink(
        named name: ArraySlice<UInt8>,
        in folder: Node,
        to target: Node
    ) throws(EROFSError) -> Node {
        try checkUsable()
        _ = try folderIndex(folder)
        guard kind(of: target) != .directory else {
            throw .unsupported("a hard link to the folder \(quoted(self.name(of: target)))")
        }
        guard tree.entries[Int(target.entry)].isLive else {
            throw .misuse("a hard link to something that was removed")
        }
        let inode = tree.entries[Int(target.entry)].inode
        return try withBytes(name) { (bytes) throws(EROFSError) in
            try Validation.check(name: bytes)
            return Node(entry: try tree.link(bytes, in: folder.entry, to: inode))
        }
    }

    /// Removes a node with everything below it; of the root, everything below. One that is gone already is fine.
    public func remove(_ node: Node) {
        if node == root {
            forEachChild(of: root) { child, _ in tree.remove(child.entry) }
        } else if tree.entries[Int(node.entry)].isLive {
            tree.remove(node.entry)
        }
    }

    /// Writes the folders and the superblock. The file is complete, but not synchronised to the disk.
    public func finish() throws(EROFSError) -> Summary {
        try checkUsable()
        guard openFile == nil else { throw .misuse("the image is finished within a file") }
        try pipeline.finish(&tree)
        isFinished = true
        var summary = try ImageFinisher(
            file: file,
            options: options,
            assembler: pipeline.assembler,
            existing: existing,
            note: note
        ).finish(&tree)
        summary.deadBytes += try deadPackedBytes()
        return summary
    }

    // MARK: Inside

    func checkUsable() throws(EROFSError) {
        if isFinished { throw .misuse("the image is finished") }
        try pipeline.checkFailure()
    }

    func folderIndex(_ node: Node) throws(EROFSError) -> UInt32 {
        guard let index = tree.folder(of: node.entry) else { throw .notADirectory(name(of: node)) }
        return UInt32(index)
    }

    /// Makes an inode and gives it a name.
    func add(
        _ kind: NodeKind,
        _ name: some Collection<UInt8>,
        _ folder: Node,
        _ attributes: Attributes
    ) throws(EROFSError) -> (Node, UInt32) {
        try checkUsable()
        guard openFile == nil else { throw .misuse("an entry is added within a file") }
        _ = try folderIndex(folder)
        guard tree.entries[Int(folder.entry)].isLive else {
            throw .misuse("an entry is added to a folder that was removed")
        }
        try Validation.check(attributes)
        return try withBytes(name) { (bytes) throws(EROFSError) in
            try Validation.check(name: bytes)
            let inode = tree.addInode(kind)
            let entry = try tree.link(bytes, in: folder.entry, to: inode)
            if pipeline.assembler.epoch == nil { pipeline.assembler.epoch = attributes.modified }
            return (Node(entry: entry), inode)
        }
    }

    func part(_ inode: UInt32, _ kind: NodeKind, _ attributes: Attributes) -> Part {
        var part = Part(inode: inode, kind: kind, attributes: attributes)
        // With the extended form, so that an inode may grow into it.
        let used = Format.extendedInodeSize + XattrTable.encodedSize(attributes.xattrs)
        part.inlineLimit = max(0, Format.blockSize - used)
        return part
    }

    private func addSpecial(
        _ kind: NodeKind,
        _ name: some Collection<UInt8>,
        _ folder: Node,
        number: UInt32,
        _ attributes: Attributes
    ) throws(EROFSError) -> Node {
        let (node, inode) = try add(kind, name, folder, attributes)
        var part = part(inode, kind, attributes)
        part.size = UInt64(number)
        try pipeline.add(part, UnsafeRawBufferPointer(start: nil, count: 0), &tree)
        return node
    }
}

/// Calls `body` with the bytes of a collection in one piece.
func withBytes<Value, Failure: Error>(
    _ bytes: some Collection<UInt8>,
    _ body: (UnsafeRawBufferPointer) throws(Failure) -> Value
) throws(Failure) -> Value {
    let direct = bytes.withContiguousStorageIfAvailable { buffer in
        Result { () throws(Failure) in try body(UnsafeRawBufferPointer(buffer)) }
    }
    if let direct { return try direct.get() }
    let copied = Array(bytes).withUnsafeBytes { buffer in
        Result { () throws(Failure) in try body(buffer) }
    }
    return try copied.get()
}
