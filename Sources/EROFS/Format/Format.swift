/// Constants of the on-disk format (Linux, `fs/erofs/erofs_fs.h`). Everything on disk is little-endian.
enum Format {
    /// The block size that this writer uses, and the only one that its reader takes.
    static let blockSize = 4096
    static let blockBits: UInt8 = 12

    /// Inode addresses count in slots of 32 bytes from the start of the metadata area.
    static let slotSize = 32
    static let compactInodeSize = 32
    static let extendedInodeSize = 64
    static let direntSize = 12
    static let maximumNameLength = 255
    /// The longest target: PATH_MAX less its NUL.
    static let maximumTargetLength = 4095

    /// `i_format` holds the inode's version in bit 0 and its data layout in bits 1 to 3.
    enum Layout: UInt16 {
        case flatPlain = 0
        case compressedFull = 1
        case flatInline = 2
        case compressedCompact = 3
        case chunkBased = 4
    }

    enum CompatibleFeature {
        static let checksum: UInt32 = 0x1
        static let modificationTime: UInt32 = 0x2
    }

    enum IncompatibleFeature {
        /// Compressed bytes end with their cluster; what is before them is zero.
        static let zeroPadding: UInt32 = 0x1
        /// Clusters above one block, with the compression's settings stored behind the superblock.
        static let bigCluster: UInt32 = 0x2
        static let chunkedFile: UInt32 = 0x4
        /// The last cluster of a file may lie behind its index.
        static let tailPacking: UInt32 = 0x10
        /// Files, or their last clusters, may lie in the packed inode; clusters may be used more than once.
        static let fragments: UInt32 = 0x20
        /// What this reader knows: Linux 6.1.
        static let all: UInt32 = 0x37
    }

    /// The header that begins an inode's extended attributes.
    static let xattrHeaderSize = 12
    static let xattrEntrySize = 4

    /// The size of an entry of a full index (`struct z_erofs_lcluster_index`).
    static let indexEntrySize = 8
    /// The type in an index entry's advise: uncompressed head, compressed head, or neither.
    enum ClusterType {
        static let plain: UInt16 = 0
        static let head: UInt16 = 1
        static let continuation: UInt16 = 2
    }
    /// In a full index: the cluster makes more bytes than the file takes of it (`Z_EROFS_LI_PARTIAL_REF`).
    static let partialFlag: UInt16 = 0x8000
    /// Marks the first continuation's distance as the number of blocks of its physical cluster.
    static let blockCountFlag: UInt16 = 0x800

    /// The block address that means a hole in a chunk-based file.
    static let holeAddress: UInt32 = .max
}

extension NodeKind {
    /// The type bits of `i_mode` (inode(7)).
    var modeBits: UInt16 {
        switch self {
        case .regular: 0o100000
        case .directory: 0o040000
        case .symbolicLink: 0o120000
        case .characterDevice: 0o020000
        case .blockDevice: 0o060000
        case .fifo: 0o010000
        case .socket: 0o140000
        }
    }

    /// The type in a folder's entry (`EROFS_FT_*`).
    var entryType: UInt8 {
        switch self {
        case .regular: 1
        case .directory: 2
        case .characterDevice: 3
        case .blockDevice: 4
        case .fifo: 5
        case .socket: 6
        case .symbolicLink: 7
        }
    }

    /// The kind with these type bits of `i_mode`.
    init?(mode: UInt16) {
        guard let kind = NodeKind.allCases.first(where: { $0.modeBits == mode & 0o170000 }) else {
            return nil
        }
        self = kind
    }
}

/// A device number as the kernel encodes it in 32 bits (`new_encode_dev`): 12 bits major, 20 bits minor.
struct DeviceNumber: Equatable {
    var major: UInt32
    var minor: UInt32

    static let maximumMajor: UInt32 = 0xFFF
    static let maximumMinor: UInt32 = 0xF_FFFF

    var encoded: UInt32 { (minor & 0xFF) | (major << 8) | ((minor & ~0xFF) << 12) }

    init(major: UInt32, minor: UInt32) {
        self.major = major
        self.minor = minor
    }

    init(encoded: UInt32) {
        major = (encoded >> 8) & 0xFFF
        minor = (encoded & 0xFF) | ((encoded >> 12) & 0xF_FF00)
    }
}

/// Rounds up to a multiple of a power of two.
func align<Number: FixedWidthInteger>(_ value: Number, to power: Number) -> Number {
    (value + power - 1) & ~(power - 1)
}
