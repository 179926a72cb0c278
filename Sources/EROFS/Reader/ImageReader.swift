public import Host

/// Reads an EROFS image without the kernel: what ``ImageWriter`` writes, and what other writers make of the same
/// features (4 KiB blocks; flat, inline, chunk-based; LZ4 with full and compacted indexes, inline tails and fragments).
///
/// The image is not trusted. What contradicts the format is ``EROFSError/corrupt(_:)``; no image makes a call loop,
/// trap, or take more memory than a small multiple of what it was asked for. A walk of the tree is the caller's, who
/// has to bound its depth: a hostile folder may contain itself.
public final class ImageReader: Sendable {
    /// The superblock.
    public let superblock: Superblock
    let file: File
    /// The size of the image in bytes.
    let size: UInt64
    /// The first block where it is not the file's.
    private let firstBlock: [UInt8]?
    /// The inode that small files are packed into.
    let packedFiles = PackedFiles()

    /// Opens an image and checks its superblock, the checksum included.
    public convenience init(file: File) throws(EROFSError) {
        try self.init(file: file, firstBlock: nil)
    }

    /// Opens the image that a file's one extends (``ImageWriter/init(extending:options:)``), without restoring it.
    ///
    /// - Parameter size: its size in bytes. The file may also be that image itself.
    public convenience init(file: File, extended size: UInt64) throws(EROFSError) {
        let block = UInt64(Format.blockSize)
        let actual: UInt64
        do { actual = try file.status().size } catch { throw .file(error) }
        if size == actual {
            try self.init(file: file, firstBlock: nil)
            return
        }
        guard size > 0, size % block == 0, actual % block == 0, actual >= size + block else {
            throw .corrupt("\(actual) bytes do not extend an image of \(size)")
        }
        try self.init(
            file: file,
            firstBlock: try Self.bytes(of: file, at: actual - block, count: Format.blockSize)
        )
    }

    /// The same image once more: what a reader keeps of it must not keep the reader.
    init(sharing other: ImageReader) {
        superblock = other.superblock
        file = other.file
        size = other.size
        firstBlock = other.firstBlock
    }

    private init(file: File, firstBlock: [UInt8]?) throws(EROFSError) {
        self.file = file
        self.firstBlock = firstBlock
        let first: [UInt8]
        if let firstBlock {
            first = firstBlock
        } else {
            first = try Self.bytes(of: file, at: 0, count: Format.blockSize)
        }
        let outcome = first.withUnsafeBytes { bytes in
            Result { () throws(EROFSError) in try Superblock(decoding: bytes) }
        }
        superblock = try outcome.get()
        let actual: UInt64
        do { actual = try file.status().size } catch { throw .file(error) }
        let claimed = UInt64(superblock.blockCount) << UInt64(Format.blockBits)
        guard claimed <= actual else {
            throw .corrupt("the superblock claims \(claimed) bytes, the file has \(actual)")
        }
        size = claimed
    }

    /// The address of the root folder.
    public var root: UInt64 { UInt64(superblock.rootNID) }

    /// The inode at an address.
    public func inode(_ nid: UInt64) throws(EROFSError) -> Inode {
        let start = UInt64(superblock.metadataBlock) << UInt64(Format.blockBits)
        guard nid < 1 << 50 else { throw .corrupt("inode \(nid) lies beyond the image") }
        let offset = start + nid * UInt64(Format.slotSize)
        let room = offset < size ? Int(min(size - offset, UInt64(Format.extendedInodeSize))) : 0
        guard room >= Format.compactInodeSize else { throw .corrupt("inode \(nid) lies beyond the image") }
        let bytes = try read(offset, room)
        guard let fields = bytes.withUnsafeBytes({ InodeFields(decoding: $0, epoch: superblock.epoch) })
        else {
            throw .corrupt("inode \(nid) has a type or layout that is not known")
        }
        let isCompact = bytes[0] & 1 == 0
        let fixed = isCompact ? Format.compactInodeSize : Format.extendedInodeSize
        guard fields.size <= UInt64(Int64.max) else {
            throw .corrupt("inode \(nid) has \(fields.size) bytes")
        }
        return Inode(nid: nid, fields: fields, offset: offset, fixedEnd: offset + UInt64(fixed))
    }

    /// The inode at a path of names from the root, not following symbolic links; nil when there is none.
    public func lookup(_ path: [[UInt8]]) throws(EROFSError) -> Inode? {
        var current = try inode(root)
        for name in path {
            guard current.kind == .directory, let entry = try entry(named: name, of: current) else {
                return nil
            }
            current = try inode(entry.nid)
        }
        return current
    }

    /// The target of a symbolic link.
    public func target(of inode: Inode) throws(EROFSError) -> [UInt8] {
        guard inode.kind == .symbolicLink else { throw .misuse("inode \(inode.nid) is no symbolic link") }
        guard inode.size <= UInt64(Format.blockSize) else {
            throw .corrupt("the symbolic link \(inode.nid) has \(inode.size) bytes")
        }
        return try readAll(inode, limit: Format.blockSize)
    }

    // MARK: Bytes of the image

    func read(_ offset: UInt64, _ count: Int) throws(EROFSError) -> [UInt8] {
        guard offset <= size, UInt64(count) <= size - offset else {
            throw .corrupt("\(count) bytes at \(offset) lie beyond the image")
        }
        if firstBlock != nil, offset < UInt64(Format.blockSize) {
            var bytes = [UInt8](repeating: 0, count: count)
            let outcome = bytes.withUnsafeMutableBytes { buffer in
                Result { () throws(EROFSError) in try read(offset, into: buffer) }
            }
            try outcome.get()
            return bytes
        }
        return try Self.bytes(of: file, at: offset, count: count)
    }

    func read(_ offset: UInt64, into buffer: UnsafeMutableRawBufferPointer) throws(EROFSError) {
        guard offset <= size, UInt64(buffer.count) <= size - offset else {
            throw .corrupt("\(buffer.count) bytes at \(offset) lie beyond the image")
        }
        guard let firstBlock, offset < UInt64(firstBlock.count) else {
            return try file.readFully(buffer, at: offset)
        }
        let fromFirst = min(buffer.count, firstBlock.count - Int(offset))
        buffer.copyBytes(from: firstBlock[Int(offset)..<Int(offset) + fromFirst])
        try file.readFully(
            UnsafeMutableRawBufferPointer(rebasing: buffer[fromFirst...]),
            at: UInt64(firstBlock.count)
        )
    }

    private static func bytes(of file: File, at offset: UInt64, count: Int) throws(EROFSError) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        let outcome = bytes.withUnsafeMutableBytes { buffer in
            Result { () throws(EROFSError) in try file.readFully(buffer, at: offset) }
        }
        try outcome.get()
        return bytes
    }
}
