import Host

/// A stretch of a file that goes into the image as another image has it, without being expanded.
final class TakenSegment: Sendable {
    /// The other image's file.
    let source: File
    /// Whole blocks of it that hold the data, in order.
    let ranges: [Range<UInt64>]
    /// Blocks that follow them and are no blocks there.
    let block: [UInt8]
    /// What the blocks hold, where the file is compressed.
    let clusters: [Cluster]
    /// Whether clusters may be larger than a block.
    let isBigCluster: Bool
    /// The last cluster of a compressed file where it stands beside the index, and its bytes.
    let tail: (cluster: Tail, bytes: [UInt8])?
    /// The end of a file that is not compressed, which stands beside the inode.
    let inlineTail: [UInt8]

    init(
        source: File,
        ranges: [Range<UInt64>],
        block: [UInt8] = [],
        clusters: [Cluster] = [],
        isBigCluster: Bool = false,
        tail: (cluster: Tail, bytes: [UInt8])? = nil,
        inlineTail: [UInt8] = []
    ) {
        self.source = source
        self.ranges = ranges
        self.block = block
        self.clusters = clusters
        self.isBigCluster = isBigCluster
        self.tail = tail
        self.inlineTail = inlineTail
    }

    /// The blocks it takes in the image.
    var blocks: Int {
        Int(ranges.reduce(0) { $0 + UInt64($1.count) }) / Format.blockSize + block.count / Format.blockSize
    }
}

/// Gathers the clusters of a compressed file into segments.
struct SegmentBuilder {
    /// Clusters in a segment: few enough that a batch of segments stays small.
    private static let maximumClusters = 1024

    private let source: File
    private let isBigCluster: Bool
    private var ranges: [Range<UInt64>] = []
    private var clusters: [Cluster] = []
    /// The bytes of the file that the clusters make.
    private(set) var length: UInt64 = 0

    init(source: File, isBigCluster: Bool) {
        self.source = source
        self.isBigCluster = isBigCluster
    }

    var isEmpty: Bool { clusters.isEmpty }
    var isFull: Bool { clusters.count >= Self.maximumClusters }

    /// Adds a cluster that lies in blocks of its own.
    mutating func add(_ cluster: LocatedCluster) {
        let range = cluster.imageOffset..<cluster.imageOffset + UInt64(cluster.imageSize)
        if let last = ranges.last, last.upperBound == range.lowerBound {
            ranges[ranges.count - 1] = last.lowerBound..<range.upperBound
        } else {
            ranges.append(range)
        }
        append(cluster.length, blocks: cluster.imageSize / Format.blockSize, isPlain: cluster.isPlain)
    }

    /// Ends the segment and begins the next.
    mutating func take() -> TakenSegment {
        defer { self = SegmentBuilder(source: source, isBigCluster: isBigCluster) }
        return TakenSegment(
            source: source,
            ranges: ranges,
            clusters: clusters,
            isBigCluster: isBigCluster
        )
    }

    /// Ends the segment with a block that is no block of the source.
    mutating func take(
        with block: [UInt8],
        making length: UInt64,
        isPlain: Bool
    ) -> TakenSegment {
        append(length, blocks: block.count / Format.blockSize, isPlain: isPlain)
        defer { self = SegmentBuilder(source: source, isBigCluster: isBigCluster) }
        return TakenSegment(
            source: source,
            ranges: ranges,
            block: block,
            clusters: clusters,
            isBigCluster: isBigCluster
        )
    }

    /// Ends the segment, and the file, with a cluster that stands beside the index.
    mutating func take(withTail tail: Tail, _ bytes: [UInt8]) -> TakenSegment {
        defer { self = SegmentBuilder(source: source, isBigCluster: isBigCluster) }
        return TakenSegment(
            source: source,
            ranges: ranges,
            clusters: clusters,
            isBigCluster: isBigCluster,
            tail: (tail, bytes)
        )
    }

    private mutating func append(_ length: UInt64, blocks: Int, isPlain: Bool) {
        clusters.append(Cluster(length: UInt32(length), blocks: UInt16(blocks), isPlain: isPlain))
        self.length += length
    }
}
