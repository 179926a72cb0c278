/// A cluster found in an index: which bytes of the file it makes, and from which bytes of the image.
struct LocatedCluster: Equatable {
    var start: UInt64
    var end: UInt64
    var imageOffset: UInt64
    var imageSize: Int
    var isPlain: Bool

    var length: UInt64 { end - start }
}

/// Looks clusters up in the full index of one inode (`struct z_erofs_lcluster_index`), of which it keeps a block.
struct ClusterIndexReader {
    private struct Entry {
        var type: UInt16
        var offset: UInt64
        var block: UInt32

        var isHead: Bool { type != Format.ClusterType.continuation }
        /// Of a continuation: how far back its cluster begins, or how many blocks the cluster has.
        var back: UInt16 { UInt16(truncatingIfNeeded: block) }
        /// Of a continuation: how far on the next cluster begins.
        var forward: UInt16 { UInt16(truncatingIfNeeded: block >> 16) }
    }

    /// The most that a cluster may expand to (`Z_EROFS_PCLUSTER_MAX_DSIZE`), and the most it may take (1 MiB).
    static let maximumExpanded: UInt64 = 12 << 20
    static let maximumBlocks = 256

    private static let blockSize = UInt64(Format.blockSize)
    private static let entriesInWindow = UInt64(Format.blockSize / Format.indexEntrySize)

    private let image: ImageReader
    private let inode: Inode
    /// The byte of the image at which the entries begin, and their number.
    private let start: UInt64
    private let count: UInt64
    /// Whether clusters may be larger than a block.
    let isBigCluster: Bool
    private var window: [UInt8] = []
    private var windowStart: UInt64 = 0

    init(_ image: ImageReader, _ inode: Inode) throws(EROFSError) {
        self.image = image
        self.inode = inode
        let header = align(inode.bodyOffset, to: 8)
        let bytes = try image.read(header, 8)
        let advise = UInt16(bytes[4]) | UInt16(bytes[5]) << 8
        guard advise & ~Format.adviseBigCluster == 0, bytes[6] == 0, bytes[7] == 0 else {
            throw .unsupported("inode \(inode.nid) is compressed in a way that is not read here")
        }
        isBigCluster = advise & Format.adviseBigCluster != 0
        start = header + UInt64(Format.mapHeaderSize)
        count = ClusterIndex.entryCount(size: inode.size)
    }

    /// The byte of the image behind the index.
    var metadataEnd: UInt64 { start + count * UInt64(Format.indexEntrySize) }

    /// The cluster that holds a byte of the file, found as the kernel finds it: back to the head, on to the end.
    mutating func cluster(at position: UInt64) throws(EROFSError) -> LocatedCluster {
        var queried = position / Self.blockSize
        var entry = try self.entry(queried)
        if entry.isHead && position % Self.blockSize < entry.offset {
            guard queried > 0 else { throw corrupt("begins within its first block") }
            queried -= 1
            entry = try self.entry(queried)
        }
        let end = try self.end(behind: queried, entry)
        var head = queried
        var hops = 0
        while !entry.isHead {
            let distance = entry.back & Format.blockCountFlag != 0 ? 1 : UInt64(entry.back)
            guard distance > 0, distance <= head else { throw corrupt("points before the file") }
            // A distance beyond 2,047 entries takes two hops, and none is beyond 3,073.
            hops += 1
            guard hops <= 2 else { throw corrupt("has a cluster without a head") }
            head -= distance
            entry = try self.entry(head)
        }
        let cluster = LocatedCluster(
            start: head * Self.blockSize + entry.offset,
            end: end,
            imageOffset: UInt64(entry.block) * Self.blockSize,
            imageSize: try blocks(head: head) * Format.blockSize,
            isPlain: entry.type == Format.ClusterType.plain
        )
        guard cluster.start <= position, position < cluster.end else {
            throw corrupt("has no cluster for byte \(position)")
        }
        guard cluster.length <= Self.maximumExpanded,
            cluster.imageSize <= Self.maximumBlocks * Format.blockSize
        else { throw corrupt("has a cluster larger than EROFS allows") }
        return cluster
    }

    /// Where the cluster that an entry belongs to ends in the file: at the next head, which a continuation points at.
    private mutating func end(behind number: UInt64, _ entry: Entry) throws(EROFSError) -> UInt64 {
        var next = number + 1
        var following = entry
        if entry.isHead {
            guard next < count else { return inode.size }
            following = try self.entry(next)
        }
        if !following.isHead {
            guard following.forward > 0 else { throw corrupt("does not tell where a cluster ends") }
            next += UInt64(following.forward) - (entry.isHead ? 0 : 1)
            guard next < count else { return inode.size }
            following = try self.entry(next)
        }
        guard following.isHead else { throw corrupt("has a cluster without an end") }
        return min(next * Self.blockSize + following.offset, inode.size)
    }

    /// How many blocks a cluster takes in the image: the first continuation behind its head tells.
    private mutating func blocks(head: UInt64) throws(EROFSError) -> Int {
        guard isBigCluster, head + 1 < count else { return 1 }
        let first = try entry(head + 1)
        if first.isHead { return 1 }
        guard first.back & Format.blockCountFlag != 0, first.back != Format.blockCountFlag else {
            throw corrupt("does not tell a cluster's size")
        }
        return Int(first.back & ~Format.blockCountFlag)
    }

    private mutating func entry(_ number: UInt64) throws(EROFSError) -> Entry {
        guard number < count else { throw corrupt("is too short") }
        if window.isEmpty || number < windowStart || number - windowStart >= Self.entriesInWindow {
            windowStart = number / Self.entriesInWindow * Self.entriesInWindow
            window = try image.read(
                start + windowStart * UInt64(Format.indexEntrySize),
                Int(min(Self.entriesInWindow, count - windowStart)) * Format.indexEntrySize
            )
        }
        let offset = Int(number - windowStart) * Format.indexEntrySize
        let entry = window.withUnsafeBytes { bytes -> Entry? in
            guard let advise: UInt16 = bytes.integer(at: offset),
                let within: UInt16 = bytes.integer(at: offset + 2),
                let block: UInt32 = bytes.integer(at: offset + 4)
            else { return nil }
            return Entry(type: advise, offset: UInt64(within), block: block)
        }
        guard let entry, entry.type <= Format.ClusterType.continuation, entry.offset < Self.blockSize else {
            throw corrupt("has an entry of an unknown kind")
        }
        return entry
    }

    private func corrupt(_ what: String) -> EROFSError { .corrupt("the index of inode \(inode.nid) \(what)") }
}
