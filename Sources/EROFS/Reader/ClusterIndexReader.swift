/// A cluster found in an index: which bytes of the file it makes, and from what.
struct LocatedCluster: Equatable {
    /// Where the bytes of a cluster are.
    enum Storage: Equatable {
        /// In the image as they are. `rotation` bytes of the block's beginning belong behind its end.
        case plain(rotation: Int)
        /// In the image, compressed with LZ4. A partial cluster makes more bytes than the file takes of it.
        case lz4(isPartial: Bool)
        /// In the packed inode, from this byte on.
        case fragment(UInt64)
    }

    var start: UInt64
    var end: UInt64
    /// The bytes in the image; none of a fragment.
    var imageOffset: UInt64
    var imageSize: Int
    var storage: Storage

    var length: UInt64 { end - start }
    var isPlain: Bool { if case .plain = storage { true } else { false } }
}

/// Looks clusters up in the index of one inode, of which it keeps a part.
struct ClusterIndexReader {
    /// The most that a cluster may expand to (`Z_EROFS_PCLUSTER_MAX_DSIZE`), and the most it may take (1 MiB).
    static let maximumExpanded: UInt64 = 12 << 20
    static let maximumBlocks = 256

    private static let blockSize = UInt64(Format.blockSize)

    private let image: ImageReader
    private let inode: Inode
    let header: MapHeader
    private var entries: IndexEntries
    /// The head of the last cluster, where that one is stored apart.
    private var tailHead: UInt64?
    /// Where the packed inode has the last cluster.
    private var fragmentOffset: UInt64 = 0

    init(_ image: ImageReader, _ inode: Inode) throws(EROFSError) {
        self.image = image
        self.inode = inode
        header = try MapHeader(of: inode, in: image)
        entries = IndexEntries(image, inode, header)
        guard header.wholeFragment == nil else { return }
        let known =
            MapHeader.Advise.packsOf16 | MapHeader.Advise.bigCluster1 | MapHeader.Advise.bigCluster2
            | MapHeader.Advise.inlineTail | MapHeader.Advise.interlaced | MapHeader.Advise.fragmentTail
        guard header.advise & ~known == 0, header.algorithms & 0xF == 0, header.clusterBits == 0 else {
            throw .unsupported("inode \(inode.nid) is compressed in a way that is not read here")
        }
        let isCompact = inode.fields.layout == .compressedCompact
        guard !isCompact || header.isBigCluster == (header.advise & MapHeader.Advise.bigCluster2 != 0) else {
            throw corrupt("contradicts itself about the size of clusters")
        }
        let apart = MapHeader.Advise.inlineTail | MapHeader.Advise.fragmentTail
        guard header.advise & apart != apart else { throw corrupt("has two kinds of tails") }
        guard header.advise & apart != 0, inode.size > 0 else { return }
        let (head, entry) = try self.head(at: inode.size - 1)
        tailHead = head
        fragmentOffset = UInt64(header.fragmentOffset)
        if !isCompact { fragmentOffset |= UInt64(entry.block) << 32 }
    }

    /// The byte of the image behind the index and the tail that follows it.
    var metadataEnd: UInt64 {
        header.wholeFragment == nil
            ? entries.end + UInt64(header.inlineSize) : inode.mapHeaderOffset + UInt64(MapHeader.size)
    }

    /// The cluster that holds a byte of the file, found as the kernel finds it: back to the head, on to the end.
    mutating func cluster(at position: UInt64) throws(EROFSError) -> LocatedCluster {
        if let offset = header.wholeFragment {
            return LocatedCluster(
                start: 0,
                end: inode.size,
                imageOffset: 0,
                imageSize: 0,
                storage: .fragment(offset)
            )
        }
        let (head, entry) = try self.head(at: position)
        let start = head * Self.blockSize + UInt64(entry.offset)
        let end = try self.end(behind: position / Self.blockSize, head: head)
        var cluster = LocatedCluster(
            start: start,
            end: end,
            imageOffset: UInt64(entry.block) * Self.blockSize,
            imageSize: 0,
            storage: storage(of: entry, start: start)
        )
        guard start <= position, position < end else { throw corrupt("has no cluster for byte \(position)") }
        if head == tailHead, header.inlineSize > 0 {
            cluster.imageOffset = entries.end
            cluster.imageSize = Int(header.inlineSize)
            guard cluster.imageOffset % Self.blockSize + UInt64(header.inlineSize) <= Self.blockSize else {
                throw .corrupt("the tail of inode \(inode.nid) crosses a block")
            }
            if cluster.isPlain { cluster.storage = .plain(rotation: 0) }
        } else if head == tailHead, header.advise & MapHeader.Advise.fragmentTail != 0 {
            cluster.imageOffset = 0
            cluster.storage = .fragment(fragmentOffset)
            return cluster
        } else {
            cluster.imageSize = try blocks(head: head) * Format.blockSize
        }
        guard cluster.length <= Self.maximumExpanded,
            cluster.imageSize <= Self.maximumBlocks * Format.blockSize
        else { throw corrupt("has a cluster larger than EROFS allows") }
        return cluster
    }

    private func storage(of head: IndexEntry, start: UInt64) -> LocatedCluster.Storage {
        guard head.type == Format.ClusterType.plain else { return .lz4(isPartial: head.isPartial) }
        let isInterlaced = header.advise & MapHeader.Advise.interlaced != 0
        return .plain(rotation: isInterlaced ? Int(start % Self.blockSize) : 0)
    }

    /// The head of the cluster that holds a byte of the file.
    private mutating func head(at position: UInt64) throws(EROFSError) -> (UInt64, IndexEntry) {
        var number = position / Self.blockSize
        var entry = try entries[number]
        if entry.isHead && position % Self.blockSize < UInt64(entry.offset) {
            guard number > 0 else { throw corrupt("begins within its first block") }
            number -= 1
            entry = try entries[number]
        }
        var hops = 0
        while !entry.isHead {
            // A distance beyond 2,047 entries takes two hops, and none is beyond 3,073.
            hops += 1
            guard hops <= 2 else { throw corrupt("has a cluster without a head") }
            guard entry.back > 0, UInt64(entry.back) <= number else {
                throw corrupt("points before the file")
            }
            number -= UInt64(entry.back)
            entry = try entries[number]
        }
        return (number, entry)
    }

    /// Where the cluster with this head ends in the file, looked for from an entry on that lies in it.
    private mutating func end(behind number: UInt64, head: UInt64) throws(EROFSError) -> UInt64 {
        var next = number
        var hops = 0
        while next < entries.count {
            let entry = try entries[next]
            if entry.isHead && next != head {
                return min(next * Self.blockSize + UInt64(entry.offset), inode.size)
            }
            // A pack that ends with a size, or a distance that has no room, takes a hop more.
            hops += 1
            guard hops <= 4 else { throw corrupt("has a cluster without an end") }
            guard entry.isHead || entry.forward > 0 else {
                throw corrupt("does not tell where a cluster ends")
            }
            next += entry.isHead ? 1 : UInt64(entry.forward)
        }
        return inode.size
    }

    /// How many blocks a cluster takes in the image: the first continuation behind its head tells.
    private mutating func blocks(head: UInt64) throws(EROFSError) -> Int {
        guard header.isBigCluster, head + 1 < entries.count else { return 1 }
        let first = try entries[head + 1]
        if first.isHead { return 1 }
        guard let blocks = first.blocks, blocks > 0 else { throw corrupt("does not tell a cluster's size") }
        return Int(blocks)
    }

    private func corrupt(_ what: String) -> EROFSError { .corrupt("the index of inode \(inode.nid) \(what)") }
}

extension Inode {
    /// The byte of the image where the map header of a compressed inode is.
    var mapHeaderOffset: UInt64 { align(bodyOffset, to: 8) }
}

extension MapHeader {
    /// Reads the header of a compressed inode.
    init(of inode: Inode, in image: ImageReader) throws(EROFSError) {
        let bytes = try image.read(inode.mapHeaderOffset, MapHeader.size)
        self.init(decoding: bytes.withUnsafeBytes { $0.integer(at: 0) ?? 0 })
    }
}
