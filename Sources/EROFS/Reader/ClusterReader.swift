import CLZ4
import Glibc

/// Reads the data of one compressed inode. Keeps the cluster that it expanded last, so that reads which follow each
/// other expand every cluster once.
final class ClusterReader {
    private let image: ImageReader
    private let inode: Inode
    private var index: ClusterIndexReader
    /// The bytes of a cluster as the image has them.
    private let raw = ScratchBuffer()
    /// The bytes of ``expandedCluster``.
    private let expanded = ScratchBuffer()
    private var expandedCluster: LocatedCluster?

    init(_ image: ImageReader, _ inode: Inode) throws(EROFSError) {
        self.image = image
        self.inode = inode
        index = try ClusterIndexReader(image, inode)
    }

    /// The byte of the image behind the inode's index.
    var metadataEnd: UInt64 { index.metadataEnd }

    /// What stands before the index.
    var header: MapHeader { index.header }

    /// The cluster that holds a byte of the file.
    func cluster(at position: UInt64) throws(EROFSError) -> LocatedCluster { try index.cluster(at: position) }

    /// Whether a cluster stands beside the index, in less than a block.
    func isTail(_ cluster: LocatedCluster) -> Bool {
        index.header.inlineSize > 0 && cluster.end == inode.size
    }

    /// Fills the buffer from `offset` on; all of it lies within the file.
    func read(_ offset: UInt64, into target: UnsafeMutableRawBufferPointer) throws(EROFSError) {
        var done = 0
        while done < target.count {
            let position = offset + UInt64(done)
            let rest = UnsafeMutableRawBufferPointer(rebasing: target[done...])
            if let cluster = expandedCluster, (cluster.start..<cluster.end).contains(position) {
                done += copy(cluster, from: position, to: rest)
                continue
            }
            let cluster = try index.cluster(at: position)
            let count = Int(min(UInt64(rest.count), cluster.end - position))
            let part = UnsafeMutableRawBufferPointer(rebasing: rest[..<count])
            let within = position - cluster.start
            switch cluster.storage {
            case .fragment(let start):
                try image.packedFiles.read(start, within, into: part, for: inode, in: image)
                done += count
            case .plain(rotation: 0):
                guard within + UInt64(count) <= UInt64(cluster.imageSize) else { throw tooLong(cluster) }
                try image.read(cluster.imageOffset + within, into: part)
                done += count
            case .plain, .lz4:
                if within == 0 && UInt64(count) == cluster.length {
                    try expand(cluster, into: part)
                    done += count
                } else {
                    expandedCluster = nil
                    try expand(cluster, into: expanded.bytes(Int(cluster.length)))
                    expandedCluster = cluster
                }
            }
        }
    }

    /// Makes the bytes of a whole cluster, no fragment, in a buffer of its length.
    func expand(_ cluster: LocatedCluster, into target: UnsafeMutableRawBufferPointer) throws(EROFSError) {
        let source = raw.bytes(cluster.imageSize)
        try image.read(cluster.imageOffset, into: source)
        switch cluster.storage {
        case .plain(let rotation):
            guard target.count <= source.count else { throw tooLong(cluster) }
            let first = min(target.count, source.count - rotation)
            target.copyMemory(from: UnsafeRawBufferPointer(rebasing: source[rotation..<rotation + first]))
            UnsafeMutableRawBufferPointer(rebasing: target[first...]).copyMemory(
                from: UnsafeRawBufferPointer(rebasing: source[..<(target.count - first)])
            )
        case .lz4(let isPartial): try decompress(source, isPartial: isPartial, into: target, of: cluster)
        case .fragment: throw .misuse("a fragment is no cluster of its own")
        }
    }

    private func decompress(
        _ source: UnsafeMutableRawBufferPointer,
        isPartial: Bool,
        into target: UnsafeMutableRawBufferPointer,
        of cluster: LocatedCluster
    ) throws(EROFSError) {
        // Zeros before the compressed bytes fill the first block at most.
        let start = source.prefix(Format.blockSize).firstIndex { $0 != 0 } ?? source.count
        let input = source.bindMemory(to: CChar.self).baseAddress.map { $0 + start }
        let output = target.bindMemory(to: CChar.self).baseAddress
        let (size, room) = (Int32(source.count - start), Int32(target.count))
        let produced =
            isPartial
            ? LZ4_decompress_safe_partial(input, output, size, room, room)
            : LZ4_decompress_safe(input, output, size, room)
        guard Int(produced) == target.count else {
            throw .corrupt("the cluster at byte \(cluster.start) of inode \(inode.nid) does not decompress")
        }
    }

    private func tooLong(_ cluster: LocatedCluster) -> EROFSError {
        .corrupt("a plain cluster of inode \(inode.nid) is longer than its blocks")
    }

    private func copy(
        _ cluster: LocatedCluster,
        from position: UInt64,
        to target: UnsafeMutableRawBufferPointer
    ) -> Int {
        let plain = UnsafeRawBufferPointer(expanded.bytes(Int(cluster.length)))
        let within = Int(position - cluster.start)
        let count = min(target.count, plain.count - within)
        target.copyMemory(from: UnsafeRawBufferPointer(rebasing: plain[within..<within + count]))
        return count
    }
}

/// Memory that is taken once and grows when more is asked for. What it held is lost then.
final class ScratchBuffer {
    private var memory = UnsafeMutableRawBufferPointer(start: nil, count: 0)

    deinit { memory.deallocate() }

    /// The first `count` bytes.
    func bytes(_ count: Int) -> UnsafeMutableRawBufferPointer {
        if memory.count < count {
            memory.deallocate()
            memory = .allocate(byteCount: count, alignment: 64)
        }
        return UnsafeMutableRawBufferPointer(rebasing: memory[..<count])
    }
}
