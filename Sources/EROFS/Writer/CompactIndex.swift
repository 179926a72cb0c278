/// Builds the compacted index of a file as its clusters are laid down, whatever the file's size will be.
///
/// The clusters of one pack have to lie one behind the other: those of one segment do, and a file's segments follow
/// each other. Of the packed inode, whose segments lie between other data, they end where packs do.
struct CompactIndex {
    private static let largestDistance = UInt64(Format.blockCountFlag) - 1

    let isBigCluster: Bool
    /// The entries of packs that are complete, as they are stored.
    private(set) var encoded: [UInt8] = []
    /// How many entries there are.
    private(set) var count: UInt64 = 0
    /// The first entry that is not encoded, those after it in ``pending``.
    private var leading: Int
    private var pending: [IndexEntry] = []

    /// - Parameter start: the byte of the inode's item at which the index begins; items begin at multiples of 32.
    init(isBigCluster: Bool, start: Int) {
        self.isBigCluster = isBigCluster
        leading = CompactLayout(start: start % 32, count: 0).leading
    }

    /// Describes a cluster that begins at a position of the file and lies in the image from `block` on.
    mutating func add(_ cluster: Cluster, at position: UInt64, block: UInt32) {
        let first = position >> UInt64(Format.blockBits)
        let next = (position + UInt64(cluster.length)) >> UInt64(Format.blockBits)
        var head = IndexEntry(type: cluster.isPlain ? Format.ClusterType.plain : Format.ClusterType.head)
        head.offset = UInt16(position % UInt64(Format.blockSize))
        head.block = block
        append(head)
        var distance: UInt64 = 1
        while first + distance < next {
            var entry = IndexEntry(type: Format.ClusterType.continuation)
            // A larger distance has no room: it takes two hops.
            entry.back = UInt16(min(distance, Self.largestDistance))
            entry.forward = UInt16(min(next - first - distance, Self.largestDistance))
            if distance == 1 { entry.blocks = cluster.blocks }
            append(entry)
            distance += 1
        }
    }

    /// Completes the index of a file of this size.
    mutating func finish(size: UInt64) {
        // The end of a file within 4 KiB in which nothing begins: an entry that begins nothing there.
        if count < Self.entryCount(size: size) {
            var end = IndexEntry(type: Format.ClusterType.plain)
            end.offset = UInt16(size % UInt64(Format.blockSize))
            append(end)
        }
        if pending.count % 2 == 1 { pending.append(IndexEntry(type: Format.ClusterType.plain)) }
        encodePairs()
    }

    /// Takes what is encoded.
    mutating func takeEncoded() -> [UInt8] {
        defer { encoded.removeAll(keepingCapacity: true) }
        return encoded
    }

    static func entryCount(size: UInt64) -> UInt64 {
        (size + UInt64(Format.blockSize) - 1) >> UInt64(Format.blockBits)
    }

    private mutating func append(_ entry: IndexEntry) {
        pending.append(entry)
        count += 1
        if leading > 0 {
            if pending.count == leading {
                encodePairs()
                leading = 0
            }
        } else if pending.count == 16 {
            CompactPack.encode(pending[...], isBigCluster: isBigCluster, into: &encoded)
            pending.removeAll(keepingCapacity: true)
        }
    }

    private mutating func encodePairs() {
        for start in stride(from: 0, to: pending.count, by: 2) {
            CompactPack.encode(pending[start..<start + 2], isBigCluster: isBigCluster, into: &encoded)
        }
        pending.removeAll(keepingCapacity: true)
    }
}
