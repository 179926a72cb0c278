import Host

/// The superblock (`struct erofs_super_block`): 128 bytes at offset 1024 of the image.
public struct Superblock: Equatable, Sendable {
    static let offset = 1024
    static let size = 128
    static let magic: UInt32 = 0xE0F5_E1E2
    /// The settings of LZ4 behind the superblock: their length in two bytes, then 14 bytes.
    static let lz4SettingsSize = 16

    /// Bits that a reader may ignore.
    public var compatibleFeatures: UInt32 = 0
    /// Bits that a reader has to know.
    public var incompatibleFeatures: UInt32 = 0
    /// The inode address of the root folder.
    public var rootNID: UInt16 = 0
    /// The number of inodes.
    public var inodeCount: UInt64 = 0
    /// The modification time of all compact inodes.
    public var epoch = Timestamp(seconds: 0)
    /// The size of the image in blocks of 4,096 bytes.
    public var blockCount: UInt32 = 0
    /// The first block of the metadata area, from which inode addresses count.
    public var metadataBlock: UInt32 = 0
    /// The first block of the shared extended attributes.
    public var xattrBlock: UInt32 = 0
    /// The volume's identifier, 16 bytes.
    public var uuid: [UInt8] = Array(repeating: 0, count: 16)
    /// The largest physical cluster in blocks; 1 without the big-cluster feature.
    public var clusterBlocks: UInt16 = 1
    /// The address of the inode that small files are packed into; 0 for none.
    public var packedNID: UInt64 = 0

    /// The size of the largest physical cluster in bytes.
    var largestCluster: Int { Int(clusterBlocks) * Format.blockSize }

    /// Where the first inode may lie: behind the superblock and the compression's settings.
    var end: Int {
        let settings =
            incompatibleFeatures & Format.IncompatibleFeature.bigCluster != 0 ? Self.lz4SettingsSize : 0
        return align(Self.offset + Self.size + settings, to: Format.slotSize)
    }

    init() {}

    /// Writes the superblock into the first block and seals that block with its checksum.
    func encode(into block: UnsafeMutableRawBufferPointer) {
        guard let start = block.baseAddress, block.count == Format.blockSize else { return }
        let base = start + Self.offset
        base.store(Self.magic, at: 0)
        base.store(UInt32(0), at: 4)
        base.store(compatibleFeatures, at: 8)
        base.store(Format.blockBits, at: 12)
        base.store(rootNID, at: 14)
        base.store(inodeCount, at: 16)
        base.store(epoch.seconds, at: 24)
        base.store(epoch.nanoseconds, at: 32)
        base.store(blockCount, at: 36)
        base.store(metadataBlock, at: 40)
        base.store(xattrBlock, at: 44)
        for (index, byte) in uuid.prefix(16).enumerated() { base.store(byte, at: 48 + index) }
        base.store(incompatibleFeatures, at: 80)
        base.store(packedNID, at: 96)
        if incompatibleFeatures & Format.IncompatibleFeature.bigCluster != 0 {
            base.store(UInt16(1), at: 84)  // the algorithms in use: LZ4 is bit 0
            base.store(UInt16(14), at: Self.size)
            base.store(UInt16.max, at: Self.size + 2)  // the farthest match
            base.store(clusterBlocks, at: Self.size + 4)
        }
        base.store(Self.checksum(of: UnsafeRawBufferPointer(block)), at: 4)
    }

    /// Changes what extending an image changes in its first block, and seals it again. All else of a superblock that
    /// another program wrote stays as it is, known here or not.
    func update(_ block: UnsafeMutableRawBufferPointer) {
        guard let start = block.baseAddress, block.count == Format.blockSize else { return }
        let base = start + Self.offset
        base.store(rootNID, at: 14)
        base.store(inodeCount, at: 16)
        base.store(blockCount, at: 36)
        for (index, byte) in uuid.prefix(16).enumerated() { base.store(byte, at: 48 + index) }
        base.store(incompatibleFeatures, at: 80)
        guard compatibleFeatures & Format.CompatibleFeature.checksum != 0 else { return }
        base.store(UInt32(0), at: 4)
        base.store(Self.checksum(of: UnsafeRawBufferPointer(block)), at: 4)
    }

    /// The CRC over the first block from the superblock on, with the checksum's field as it is.
    private static func checksum(of block: UnsafeRawBufferPointer) -> UInt32 {
        CRC32C.checksum(UnsafeRawBufferPointer(rebasing: block[Self.offset...]))
    }

    /// Reads and checks the superblock of an image's first block.
    init(decoding block: UnsafeRawBufferPointer) throws(EROFSError) {
        func field<Number: FixedWidthInteger & BitwiseCopyable>(_ offset: Int, _: Number.Type)
            throws(EROFSError) -> Number
        {
            guard let value = block.integer(at: Self.offset + offset, as: Number.self) else {
                throw .corrupt("it ends within the superblock")
            }
            return value
        }
        guard try field(0, UInt32.self) == Self.magic else {
            throw .corrupt("no EROFS superblock at offset 1024")
        }
        compatibleFeatures = try field(8, UInt32.self)
        guard try field(12, UInt8.self) == Format.blockBits else {
            throw .unsupported("blocks are not 4,096 bytes")
        }
        rootNID = try field(14, UInt16.self)
        inodeCount = try field(16, UInt64.self)
        epoch = Timestamp(
            seconds: Int64(bitPattern: try field(24, UInt64.self)),
            nanoseconds: try field(32, UInt32.self)
        )
        blockCount = try field(36, UInt32.self)
        metadataBlock = try field(40, UInt32.self)
        xattrBlock = try field(44, UInt32.self)
        for index in 0..<16 { uuid[index] = try field(48 + index, UInt8.self) }
        incompatibleFeatures = try field(80, UInt32.self)
        let unknown = incompatibleFeatures & ~Format.IncompatibleFeature.all
        guard unknown == 0 else {
            throw .unsupported("feature bits 0x\(String(unknown, radix: 16)) are not known")
        }
        let size = Self.size + Int(try field(13, UInt8.self)) * 16
        guard Self.offset + size <= block.count else {
            throw .corrupt("the superblock has \(size) bytes, more than its block holds")
        }
        guard try field(90, UInt8.self) == 0 else { throw .unsupported("blocks of folders that are larger") }
        // The kernel looks at their number whatever the feature bits say.
        guard try field(91, UInt8.self) == 0 else {
            throw .unsupported("prefixes of extended attributes' names")
        }
        let devices = try field(86, UInt16.self)
        guard devices == 0 else { throw .unsupported("data on further devices") }
        if incompatibleFeatures & Format.IncompatibleFeature.bigCluster != 0 {
            guard try field(84, UInt16.self) == 1 else { throw .unsupported("compression other than LZ4") }
            let settings = try field(size, UInt16.self)
            guard settings >= 14 else {
                throw .corrupt("the settings of LZ4 have \(settings) bytes instead of 14")
            }
            clusterBlocks = Swift.max(1, try field(size + 4, UInt16.self))
        }
        if incompatibleFeatures & Format.IncompatibleFeature.fragments != 0 {
            packedNID = try field(96, UInt64.self)
        }
        if compatibleFeatures & Format.CompatibleFeature.checksum != 0 {
            let stored = try field(4, UInt32.self)
            let zero: [UInt8] = [0, 0, 0, 0]
            var sum = CRC32C.checksum(UnsafeRawBufferPointer(rebasing: block[Self.offset..<Self.offset + 4]))
            sum = zero.withUnsafeBytes { CRC32C.checksum($0, seed: sum) }
            sum = CRC32C.checksum(UnsafeRawBufferPointer(rebasing: block[(Self.offset + 8)...]), seed: sum)
            guard sum == stored else { throw .corrupt("the superblock's checksum does not fit") }
        }
    }
}
