public import Host

/// # Extending an image
///
/// A writer can go on where another stopped: the finished image is the beginning of the new one, whose changed folders,
/// new files and first block are written behind it. Last comes a copy of the old first block, so that cutting the new
/// image to the old size and putting that block back gives the old image again, bit for bit.
extension ImageWriter {
    /// Begins an image that extends a finished one, in a file that holds a copy of it, open for reading and writing.
    ///
    /// The tree begins as the image's own. Folders can be described anew, everything can be added, linked, moved and
    /// removed as in any other image. Nothing of the old image is overwritten before ``finish()``. Of folders at the root
    /// in which nothing changes, nothing is written again.
    ///
    /// - Throws: ``EROFSError/corrupt(_:)``, ``EROFSError/unsupported(_:)`` for an image that cannot be read here.
    public convenience init(extending file: File, options: WriterOptions) throws(EROFSError) {
        var existing = try ExistingImage(file: file)
        var tree = Tree()
        try existing.load(into: &tree, options.cancellation)
        var options = options
        // The old image has its packed inode, and in its superblock the size of the largest clusters.
        options.mayPack = false
        options.compression.limitClusters(to: existing.reader.superblock.largestCluster)
        try self.init(file: file, options: options, tree: tree, existing: existing)
        // Attributes shared with others stand in one area, which is the old image's.
        pipeline.assembler.xattrs.isSharing = false
        pipeline.assembler.epoch = existing.reader.superblock.epoch
        pipeline.assembler.firstNumber = Self.firstNewNumber
    }

    /// New inodes get their numbers from here on: above all that an image of four billion names may have used.
    static let firstNewNumber: UInt32 = 1 << 31

    /// Makes an extended image the one that it extends again.
    ///
    /// - Parameter size: the size of the old image in bytes.
    public static func restoreExtended(_ file: File, toSize size: UInt64) throws(EROFSError) {
        let block = UInt64(Format.blockSize)
        var first = [UInt8](repeating: 0, count: Format.blockSize)
        do {
            let extended = try file.status().size
            guard size > 0, size % block == 0, extended >= size + block, extended % block == 0 else {
                throw EROFSError.misuse("an image of \(extended) bytes does not extend one of \(size)")
            }
            try first.withUnsafeMutableBytes { try file.readFully($0, at: extended - block) }
            try first.withUnsafeBytes { try file.writeAll($0, at: 0) }
            try file.truncate(to: size)
        } catch let error as FileError { throw .file(error) } catch let error as EROFSError {
            throw error
        } catch {
            throw .misuse("\(error)")
        }
    }

    /// Gives a finished image a note, one of another program's too.
    ///
    /// - Parameter file: the image, open for reading and writing.
    /// - Returns: its size in bytes now.
    public static func attach(note: [UInt8], to file: File) throws(EROFSError) -> UInt64 {
        let existing = try ExistingImage(file: file)
        let bytes = ImageNote.encode(note)
        let size = existing.end + UInt64(bytes.count)
        var superblock = existing.reader.superblock
        superblock.blockCount = UInt32(truncatingIfNeeded: size >> UInt64(Format.blockBits))
        var first = existing.firstBlock
        first.withUnsafeMutableBytes { superblock.update($0) }
        do {
            try bytes.withUnsafeBytes { try file.writeAll($0, at: existing.end) }
            try first.withUnsafeBytes { try file.writeAll($0, at: 0) }
        } catch let error as FileError { throw .file(error) } catch { throw .misuse("\(error)") }
        return size
    }

    /// The inode of a node as the image that is extended has it; nil for one that is new.
    public func existingInode(of node: Node) throws(EROFSError) -> Inode? {
        guard let existing else { return nil }
        let index = Int(tree.entries[Int(node.entry)].inode)
        guard index < existing.links.count else { return nil }
        return try existing.reader.inode(tree.inodes[index].location.imageByte / UInt64(Format.slotSize))
    }

    /// Gives a node another place. A folder moves as a new one with all that is in it; it keeps its attributes.
    ///
    /// - Returns: the node at its new place. What had its name there is replaced.
    @discardableResult
    public func move(_ node: Node, named name: some Collection<UInt8>, in folder: Node) throws(EROFSError)
        -> Node
    {
        guard kind(of: node) == .directory else {
            let moved = try addHardLink(named: name, in: folder, to: node)
            remove(node)
            return moved
        }
        let moved = try addDirectory(named: name, in: folder, attributes: try attributes(of: node))
        // Moved over itself it has become a new and empty folder: nothing does that.
        var children: [(node: Node, name: [UInt8])] = []
        forEachChild(of: node) { child, name in children.append((child, Array(name))) }
        for child in children.sorted(by: { $0.name.lexicographicallyPrecedes($1.name) }) {
            try move(child.node, named: child.name, in: moved)
        }
        remove(node)
        return moved
    }
}
