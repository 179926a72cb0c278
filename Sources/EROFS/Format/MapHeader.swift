/// What stands before the index of a compressed inode (`struct z_erofs_map_header`): 8 bytes, at a multiple of 8
/// behind the inode and its attributes.
struct MapHeader: Equatable {
    static let size = 8

    /// Bits of `h_advise`.
    enum Advise {
        /// A compacted index has packs of 16 entries besides those of two.
        static let packsOf16: UInt16 = 0x1
        /// Clusters may be larger than a block, compressed ones and, in a compacted index too, plain ones.
        static let bigCluster1: UInt16 = 0x2
        static let bigCluster2: UInt16 = 0x4
        /// The last cluster lies behind the index.
        static let inlineTail: UInt16 = 0x8
        /// The bytes of a plain cluster lie in its block where they lie in the file's.
        static let interlaced: UInt16 = 0x10
        /// The last cluster lies in the packed inode.
        static let fragmentTail: UInt16 = 0x20
    }

    /// Marks, in the place of all other fields, a file that lies in the packed inode as a whole.
    private static let wholeFlag: UInt64 = 1 << 63

    var advise: UInt16 = 0
    /// The algorithm of compressed clusters in the low four bits; 0 is LZ4.
    var algorithms: UInt8 = 0
    /// The size of the blocks that the index counts in: the image's blocks shifted by the low four bits.
    var clusterBits: UInt8 = 0
    /// The bytes of the last cluster behind the index.
    var inlineSize: UInt16 = 0
    /// Where in the packed inode the last cluster begins; a full index adds its high half.
    var fragmentOffset: UInt32 = 0
    /// Where in the packed inode the whole file begins.
    var wholeFragment: UInt64?

    var isBigCluster: Bool { advise & Advise.bigCluster1 != 0 }

    init() {}

    /// The header of a file that lies in the packed inode as a whole.
    init(wholeFragment offset: UInt64) { wholeFragment = offset }

    /// Reads a header of eight bytes.
    init(decoding raw: UInt64) {
        if raw & Self.wholeFlag != 0 {
            wholeFragment = raw & ~Self.wholeFlag
            return
        }
        advise = UInt16(truncatingIfNeeded: raw >> 32)
        algorithms = UInt8(truncatingIfNeeded: raw >> 48)
        clusterBits = UInt8(truncatingIfNeeded: raw >> 56)
        if advise & Advise.fragmentTail != 0 {
            fragmentOffset = UInt32(truncatingIfNeeded: raw)
        } else {
            inlineSize = UInt16(truncatingIfNeeded: raw >> 16)
        }
    }

    /// The header as a little-endian number.
    var encoded: UInt64 {
        if let wholeFragment { return wholeFragment | Self.wholeFlag }
        let low = advise & Advise.fragmentTail != 0 ? UInt64(fragmentOffset) : UInt64(inlineSize) << 16
        return low | UInt64(advise) << 32 | UInt64(algorithms) << 48 | UInt64(clusterBits) << 56
    }
}
