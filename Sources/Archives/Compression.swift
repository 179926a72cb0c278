/// How a stream is compressed.
public enum Compression: String, Sendable, Codable, CaseIterable {
    /// Not at all, or in no way known here.
    case none
    /// RFC 1952.
    case gzip
    /// RFC 8878.
    case zstd
    /// The .xz file format 1.2.1.
    case xz
    /// bzip2 1.0.
    case bzip2
    /// LZ4 frames, lz4_Frame_format.md.
    case lz4

    /// How many bytes ``detect(_:)`` looks at.
    public static let magicLength = 10

    /// Tells the compression by the stream's first bytes; a file's name says nothing.
    ///
    /// A stream that begins with a skippable frame is taken for zstd, as pzstd writes it; LZ4 shares those.
    public static func detect(_ prefix: UnsafeRawBufferPointer) -> Compression {
        func starts(_ magic: [UInt8]) -> Bool { prefix.starts(with: magic) }
        if starts([0x1F, 0x8B]) { return .gzip }
        if starts([0x28, 0xB5, 0x2F, 0xFD]) { return .zstd }
        if prefix.count >= 4, prefix[0] & 0xF0 == 0x50, prefix.dropFirst().starts(with: [0x2A, 0x4D, 0x18]) {
            return .zstd
        }
        if starts([0xFD, 0x37, 0x7A, 0x58, 0x5A, 0x00]) { return .xz }
        if starts([0x04, 0x22, 0x4D, 0x18]) || starts(LZ4Decoder.legacyMagic) { return .lz4 }
        if prefix.count >= 10, starts(Array("BZh".utf8)), (0x31...0x39).contains(prefix[3]) {
            // The first block's magic (pi), or the end of an empty stream (the root of pi).
            let block = prefix[4..<10]
            if block.elementsEqual([0x31, 0x41, 0x59, 0x26, 0x53, 0x59])
                || block.elementsEqual([0x17, 0x72, 0x45, 0x38, 0x50, 0x90])
            {
                return .bzip2
            }
        }
        return .none
    }
}

/// What a compressed stream may ask for.
public struct DecompressionLimits: Sendable {
    /// Bytes of history a zstd frame or xz stream may need in memory.
    public var windowBytes: UInt64
    /// Bytes that may come out in all; nil is no limit.
    public var outputBytes: UInt64?
    /// How many bytes may come out for each that went in, judged once 64 MiB have come out; nil is no limit.
    public var expansionRatio: UInt64?
    /// The settings that the two bounds come from, for messages.
    var outputSetting: String?
    var expansionSetting: String?

    /// Creates limits.
    ///
    /// - Parameters:
    ///   - outputSetting: the setting that `outputBytes` comes from, for messages.
    ///   - expansionSetting: the setting that `expansionRatio` comes from, for messages.
    public init(
        windowBytes: UInt64 = 128 << 20,
        outputBytes: UInt64? = nil,
        expansionRatio: UInt64? = nil,
        outputSetting: String? = nil,
        expansionSetting: String? = nil
    ) {
        self.windowBytes = windowBytes
        self.outputBytes = outputBytes
        self.expansionRatio = expansionRatio
        self.outputSetting = outputSetting
        self.expansionSetting = expansionSetting
    }

    /// A window of 128 MiB, what `zstd` and `xz -9` make and read without being asked; nothing else.
    public static let `default` = DecompressionLimits()
}
