import Host

/// An ext4 superblock, as far as a copy of a file system needs one of its own (`struct ext4_super_block`,
/// fs/ext4/ext4.h; numbers are little-endian).
struct Ext4Superblock {
    /// Bytes of a superblock.
    static let size = 1024
    /// Where the first one is, in bytes from the start of the disk.
    static let offset: UInt64 = 1024
    /// Bytes of a volume's name.
    static let nameLimit = 16

    private enum Field {
        static let blockCountLow = 0x04
        static let logBlockSize = 0x18
        static let blocksPerGroup = 0x20
        static let magic = 0x38
        static let incompatibleFeatures = 0x60
        static let readOnlyFeatures = 0x64
        static let uuid = 0x68
        static let name = 0x78
        static let hashSeed = 0xEC
        static let blockCountHigh = 0x150
        static let checksumType = 0x175
        static let checksum = 0x3FC
    }

    private static let magic: UInt32 = 0xEF53
    private static let sparseSuper: UInt32 = 0x1
    private static let metadataChecksums: UInt32 = 0x400
    private static let checksumSeed: UInt32 = 0x2000
    private static let crc32c: UInt8 = 1

    /// The bytes as they are on disk.
    private(set) var bytes: [UInt8]

    /// Takes a superblock's bytes; nil when they are none that a UUID can be changed in by itself: another file system,
    /// one without `metadata_csum_seed`, or a damaged one.
    init?(_ bytes: [UInt8]) {
        guard bytes.count == Self.size else { return nil }
        self.bytes = bytes
        guard number(Field.magic, bytes: 2) == Self.magic,
            number(Field.readOnlyFeatures) & Self.sparseSuper != 0,
            number(Field.readOnlyFeatures) & Self.metadataChecksums != 0,
            number(Field.incompatibleFeatures) & Self.checksumSeed != 0,
            bytes[Field.checksumType] == Self.crc32c, number(Field.checksum) == checksum,
            number(Field.blocksPerGroup) > 0, number(Field.logBlockSize) <= 6
        else { return nil }
    }

    /// The file system's name in the world.
    var uuid: [UInt8] { Array(bytes[Field.uuid..<Field.uuid + 16]) }

    /// What names in folders are hashed with.
    var hashSeed: [UInt8] { Array(bytes[Field.hashSeed..<Field.hashSeed + 16]) }

    /// Gives the file system another identity.
    ///
    /// - Parameters:
    ///   - uuid: 16 bytes.
    ///   - hashSeed: 16 bytes.
    ///   - name: the volume's name, of which at most 16 bytes are kept.
    mutating func identify(uuid: [UInt8], hashSeed: [UInt8], name: String) {
        bytes.replaceSubrange(Field.uuid..<Field.uuid + 16, with: uuid)
        bytes.replaceSubrange(Field.hashSeed..<Field.hashSeed + 16, with: hashSeed)
        let label = Array(name.utf8.prefix(Self.nameLimit))
        let padding = [UInt8](repeating: 0, count: Self.nameLimit - label.count)
        bytes.replaceSubrange(Field.name..<Field.name + Self.nameLimit, with: label + padding)
        let sum = checksum
        for index in 0..<4 { bytes[Field.checksum + index] = UInt8(truncatingIfNeeded: sum >> (8 * index)) }
    }

    /// Where the copies of the superblock are, in bytes from the start of the disk: in group 1 and in those whose number
    /// is a power of 3, 5 or 7 (`sparse_super`).
    var backups: [UInt64] {
        let blockSize = UInt64(1024) << UInt64(number(Field.logBlockSize))
        let perGroup = UInt64(number(Field.blocksPerGroup))
        let blocks = UInt64(number(Field.blockCountHigh)) << 32 | UInt64(number(Field.blockCountLow))
        let groups = (blocks + perGroup - 1) / perGroup
        var numbers: Set<UInt64> = groups > 1 ? [1] : []
        for base: UInt64 in [3, 5, 7] {
            var power = base
            while power < groups {
                numbers.insert(power)
                power *= base
            }
        }
        return numbers.sorted().map { $0 * perGroup * blockSize }
    }

    /// CRC-32C of all bytes before the checksum.
    private var checksum: UInt32 {
        bytes.withUnsafeBytes { CRC32C.checksum(UnsafeRawBufferPointer(rebasing: $0[..<Field.checksum])) }
    }

    private func number(_ field: Int, bytes count: Int = 4) -> UInt32 {
        (0..<count).reduce(0) { $0 | UInt32(bytes[field + $1]) << UInt32(8 * $1) }
    }
}
