/// Reads the data of one inode, and keeps what reads next to each other share. Belongs to one thread.
final class DataReader {
    private let image: ImageReader
    private let inode: Inode
    /// Of a compressed inode.
    private let clusters: ClusterReader?

    init(_ image: ImageReader, _ inode: Inode) throws(EROFSError) {
        guard [.regular, .directory, .symbolicLink].contains(inode.kind) else {
            throw .misuse("inode \(inode.nid) has no data")
        }
        self.image = image
        self.inode = inode
        switch inode.fields.layout {
        case .compressedFull, .compressedCompact: clusters = try ClusterReader(image, inode)
        case .flatPlain, .flatInline, .chunkBased: clusters = nil
        }
    }

    /// Fills the buffer with the bytes from `offset` on, and returns how many there were: fewer at the end.
    func read(at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer) throws(EROFSError) -> Int {
        guard offset < inode.size else { return 0 }
        let count = Int(min(inode.size - offset, UInt64(buffer.count)))
        let target = UnsafeMutableRawBufferPointer(rebasing: buffer[..<count])
        if let clusters {
            try clusters.read(offset, into: target)
        } else if inode.fields.layout == .chunkBased {
            try image.readChunks(inode, offset, target)
        } else {
            try image.readFlat(inode, offset, target)
        }
        return count
    }
}
