/// How a compacted index is laid out (`z_erofs_load_compact_lcluster` in the kernel's `fs/erofs/zmap.c`).
///
/// One entry stands for each 4 KiB of the file. Pairs of entries take 8 bytes up to the first multiple of 32 bytes,
/// then packs of 16 take 32 bytes as long as there are 16, then pairs again. A pack ends with a block address, from
/// which those of its clusters follow: they lie one behind the other.
struct CompactLayout: Equatable {
    /// Entries before the first pack of 16, all in pairs.
    let leading: Int
    /// Entries in packs of 16.
    let packed: UInt64
    /// All entries.
    let count: UInt64

    /// - Parameters:
    ///   - start: the byte at which the index begins, counted from a multiple of 32.
    ///   - count: the number of entries.
    ///   - hasPacks: whether there are packs of 16 at all.
    init(start: Int, count: UInt64, hasPacks: Bool = true) {
        let lead = ((32 - start % 32) / 4) & 7
        let behind = hasPacks && UInt64(lead) < count ? (count - UInt64(lead)) / 16 * 16 : 0
        leading = lead
        packed = behind
        self.count = count
    }

    /// The bytes of the index.
    var size: UInt64 {
        let pairs = count - packed
        // A last entry without a partner takes a pair's room.
        return packed * 2 + (pairs + pairs % 2) * 4
    }

    /// The pack that holds an entry: its first entry, how many it has, and where it begins in the index.
    func pack(of entry: UInt64) -> (first: UInt64, entries: Int, offset: UInt64) {
        let lead = UInt64(leading)
        if packed == 0 || entry < lead {
            let first = entry / 2 * 2
            return (first, 2, first * 4)
        }
        if entry < lead + packed {
            let first = lead + (entry - lead) / 16 * 16
            return (first, 16, lead * 4 + (first - lead) * 2)
        }
        let first = lead + packed + (entry - lead - packed) / 2 * 2
        return (first, 2, lead * 4 + packed * 2 + (first - lead - packed) * 4)
    }
}

/// One entry of an index: what begins in 4 KiB of a file, or how far off the ends of the cluster are that covers it.
struct IndexEntry: Equatable {
    /// ``Format/ClusterType``.
    var type: UInt16
    /// Of a head: where in the 4 KiB its cluster begins.
    var offset: UInt16 = 0
    /// Of a head: the first block of its cluster.
    var block: UInt32 = 0
    /// Of a head in a full index: whether the cluster makes more bytes than the file takes of it.
    var isPartial = false
    /// Of a continuation: how many entries back its head is.
    var back: UInt16 = 0
    /// Of a continuation: how many entries on the next head is.
    var forward: UInt16 = 0
    /// Of the first continuation behind a head: the blocks of the cluster.
    var blocks: UInt16?

    var isHead: Bool { type != Format.ClusterType.continuation }
}

/// A pack of a compacted index: entries of 16 bits (pairs) or 14 (packs of 16), then a block address.
enum CompactPack {
    /// The low bits of an entry: an offset, or a distance; its type is above them.
    private static let lowBits: UInt32 = 12

    private static func bits(_ entries: Int) -> UInt32 { entries == 2 ? 16 : 14 }

    /// The bytes of a pack.
    static func size(_ entries: Int) -> Int { entries == 2 ? 8 : 32 }

    /// Encodes 2 or 16 entries; the clusters of the heads among them lie one behind the other.
    ///
    /// - Parameter isBigCluster: whether continuations tell the blocks of their clusters.
    static func encode(_ entries: ArraySlice<IndexEntry>, isBigCluster: Bool, into bytes: inout [UInt8]) {
        let width = bits(entries.count)
        let start = bytes.count
        bytes.append(contentsOf: repeatElement(0, count: size(entries.count)))
        bytes.withUnsafeMutableBytes { buffer in
            let base = buffer.baseAddress.unsafelyUnwrapped + start
            var position: UInt32 = 0
            for (index, entry) in entries.enumerated() {
                let low =
                    if entry.isHead {
                        entry.offset
                    } else if isBigCluster, let blocks = entry.blocks {
                        blocks | Format.blockCountFlag
                    } else {
                        index == entries.count - 1
                            ? min(entry.forward, Format.blockCountFlag - 1) : entry.back
                    }
                let value = (UInt32(entry.type) << lowBits | UInt32(low)) << (position & 7)
                for byte in 0..<3 where value >> (8 * byte) != 0 {
                    let place = Int(position / 8) + byte
                    let old = base.load(fromByteOffset: place, as: UInt8.self)
                    base.store(old | UInt8(truncatingIfNeeded: value >> (8 * byte)), at: place)
                }
                position += width
            }
            base.store(address(entries, isBigCluster: isBigCluster), at: size(entries.count) - 4)
        }
    }

    /// The address that the pack counts from: without big clusters a block below the first head's.
    private static func address(_ entries: ArraySlice<IndexEntry>, isBigCluster: Bool) -> UInt32 {
        // One that begins nothing, at a file's end, has no block.
        guard let first = entries.first(where: { $0.isHead && $0.block > 0 }) else { return 0 }
        if !isBigCluster { return first.block &- 1 }
        // The head before the pack, whose size the pack tells, is counted in it.
        return first.block &- UInt32(entries.first?.blocks ?? 0)
    }

    /// Decodes a pack; what it does not tell of an entry (the other end of a last continuation) is taken from its
    /// neighbours, as the kernel does.
    static func decode(_ bytes: UnsafeRawBufferPointer, isBigCluster: Bool) -> [IndexEntry] {
        let count = bytes.count == 8 ? 2 : 16
        let width = bits(count)
        var entries: [IndexEntry] = []
        entries.reserveCapacity(count)
        var block: UInt32 = bytes.integer(at: bytes.count - 4) ?? 0
        // Blocks of the cluster whose head was passed last, until a continuation tells.
        var pending: UInt32 = isBigCluster ? 0 : 1
        for index in 0..<count {
            let position = UInt32(index) * width
            let raw = (bytes.integer(at: Int(position / 8), as: UInt32.self) ?? 0) >> (position & 7)
            let low = UInt16(raw & 0xFFF)
            let type = UInt16(raw >> lowBits & 3)
            var entry = IndexEntry(type: type)
            if entry.isHead {
                block &+= pending
                pending = 1
                entry.offset = low
                entry.block = block
            } else if low & Format.blockCountFlag != 0 {
                entry.blocks = low & ~Format.blockCountFlag
                entry.back = 1
                block &+= UInt32(entry.blocks ?? 0)
                pending = 0
            } else if index < count - 1 {
                entry.back = low
            } else {
                let before = entries[index - 1]
                entry.back = before.isHead ? 1 : before.back &+ 1
                entry.forward = low
            }
            entries.append(entry)
        }
        // A last entry that tells a size instead of a distance leads to the next pack.
        if entries[count - 1].blocks != nil { entries[count - 1].forward = 1 }
        for index in (0..<count - 1).reversed() where !entries[index].isHead {
            let next = entries[index + 1]
            entries[index].forward = next.isHead ? 1 : next.forward &+ 1
        }
        return entries
    }
}
