import Synchronization

/// Reads the inode that small files of an image are packed into; the cluster that was expanded last serves the files
/// that lie next to each other.
final class PackedInode {
    private let inode: Inode
    private let data: DataReader

    init(_ image: ImageReader) throws(EROFSError) {
        guard image.superblock.packedNID != 0 else {
            throw .corrupt("a file lies in the packed inode, which the superblock does not have")
        }
        inode = try image.inode(image.superblock.packedNID)
        guard inode.kind == .regular else {
            throw .corrupt("the packed inode \(inode.nid) is no regular file")
        }
        if inode.isCompressed {
            let header = try MapHeader(of: inode, in: image)
            guard header.wholeFragment == nil, header.advise & MapHeader.Advise.fragmentTail == 0 else {
                throw .corrupt("the packed inode \(inode.nid) is packed itself")
            }
        }
        data = try DataReader(image, inode)
    }

    /// Fills the buffer with the bytes `within` a fragment that begins at `start`.
    func read(
        _ start: UInt64,
        _ within: UInt64,
        into target: UnsafeMutableRawBufferPointer,
        for file: Inode
    ) throws(EROFSError) {
        let (offset, overflow) = start.addingReportingOverflow(within)
        guard !overflow, offset <= inode.size, UInt64(target.count) <= inode.size - offset else {
            throw .corrupt("inode \(file.nid) lies beyond the packed inode")
        }
        var done = 0
        while done < target.count {
            done += try data.read(
                at: offset + UInt64(done),
                into: UnsafeMutableRawBufferPointer(rebasing: target[done...])
            )
        }
    }
}

/// The packed inode of an image, for all who read the image.
///
/// `@unchecked Sendable`: `inode` is touched with the mutex held only.
final class PackedFiles: @unchecked Sendable {
    private let mutex = Mutex(())
    private var inode: PackedInode?

    /// Reads bytes of a file that lie in the packed inode.
    func read(
        _ start: UInt64,
        _ within: UInt64,
        into target: UnsafeMutableRawBufferPointer,
        for file: Inode,
        in image: ImageReader
    ) throws(EROFSError) {
        let outcome = mutex.withLock { _ in
            Result { () throws(EROFSError) in
                if inode == nil { inode = try PackedInode(ImageReader(sharing: image)) }
                try inode?.read(start, within, into: target, for: file)
            }
        }
        _ = try outcome.get()
    }
}
