/// A view of one 512-byte header block (POSIX.1-2017 pax, "ustar Interchange Format"; GNU tar's manual, "Basic Tar
/// Format"). Valid as long as the bytes are.
struct TarHeader {
    static let size = 512

    /// Who wrote the header, as far as it changes what the fields mean.
    enum Format {
        /// No magic: Version 7, without prefix and device numbers.
        case v7
        /// POSIX.
        case ustar
        /// POSIX with Jörg Schilling's `tar` at the end: the prefix is shorter.
        case star
        /// GNU, without prefix.
        case gnu
    }

    private let block: UnsafeRawBufferPointer

    init(_ block: UnsafeRawBufferPointer) { self.block = block }

    /// Whether the block is all zeros: half of an end of archive.
    var isZero: Bool { block[0] == 0 && block.allSatisfy { $0 == 0 } }

    /// Whether the checksum is right, summed over unsigned bytes as POSIX says or signed ones as old tars did.
    var hasValidChecksum: Bool {
        guard let stored = TarNumber.field(part(148, 8)), block[148] & 0x80 == 0 else { return false }
        // An all-blank field reads as 0; a sum is at least the eight spaces that stand for the field itself.
        guard stored > 0 else { return false }
        var sum: UInt32 = 0
        var highBytes: UInt32 = 0
        for byte in block {
            sum &+= UInt32(byte)
            highBytes &+= UInt32(byte >> 7)
        }
        for byte in part(148, 8) {
            sum &-= UInt32(byte)
            highBytes &-= UInt32(byte >> 7)
        }
        let unsigned = Int64(sum) + 8 * 0x20
        return stored == unsigned || stored == unsigned - 256 * Int64(highBytes)
    }

    /// The type flag.
    var type: UInt8 { block[156] }

    /// The format, by the magic.
    var format: Format {
        let magic = part(257, 8)
        if magic.elementsEqual(Array("ustar  \0".utf8)) { return .gnu }
        guard magic.starts(with: Array("ustar".utf8)) else { return .v7 }
        return part(508, 4).elementsEqual(Array("tar\0".utf8)) ? .star : .ustar
    }

    /// The name with its prefix.
    var path: [UInt8] {
        let name = text(0, 100)
        let prefix: Slice<UnsafeRawBufferPointer>
        switch format {
        case .v7, .gnu: return Array(name)
        case .ustar: prefix = text(345, 155)
        case .star: prefix = text(345, 131)
        }
        return prefix.isEmpty ? Array(name) : Array(prefix) + [UInt8(ascii: "/")] + Array(name)
    }

    /// The link target.
    var linkTarget: [UInt8] { Array(text(157, 100)) }

    var mode: Int64? { TarNumber.field(part(100, 8)) }
    var userID: Int64? { TarNumber.field(part(108, 8)) }
    var groupID: Int64? { TarNumber.field(part(116, 8)) }
    var size: Int64? { TarNumber.field(part(124, 12)) }
    var modified: Int64? { TarNumber.field(part(136, 12)) }
    var deviceMajor: Int64? { TarNumber.field(part(329, 8)) }
    var deviceMinor: Int64? { TarNumber.field(part(337, 8)) }

    /// The size of an old GNU sparse file with its holes.
    var sparseRealSize: Int64? { TarNumber.field(part(483, 12)) }
    /// Whether a block with more of the sparse map follows.
    var sparseMapContinues: Bool { block[482] != 0 }
    /// The part of an old GNU sparse map that is in the header.
    var sparseMap: OldSparseMap { OldSparseMap(part(386, 96)) }

    private func part(_ offset: Int, _ length: Int) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(rebasing: block[offset..<offset + length])
    }

    private func text(_ offset: Int, _ length: Int) -> Slice<UnsafeRawBufferPointer> {
        block[offset..<offset + length].prefix { $0 != 0 }
    }
}

/// Pairs of offset and length, 12 bytes each, as old GNU sparse headers have them; an unset pair ends them.
struct OldSparseMap {
    private let bytes: UnsafeRawBufferPointer

    init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

    /// A block that continues a map: 21 pairs, then whether another one follows.
    static func continuation(_ block: UnsafeRawBufferPointer) -> (map: OldSparseMap, continues: Bool) {
        (OldSparseMap(UnsafeRawBufferPointer(rebasing: block[0..<504])), block[504] != 0)
    }

    /// Appends the pairs to a map; false when a number is wrong.
    func append(to segments: inout [SparseSegment]) -> Bool {
        for start in stride(from: 0, to: bytes.count, by: 24) {
            if bytes[start + 12] == 0 { return true }
            guard let offset = TarNumber.field(UnsafeRawBufferPointer(rebasing: bytes[start..<start + 12])),
                let length = TarNumber.field(
                    UnsafeRawBufferPointer(rebasing: bytes[start + 12..<start + 24])
                ),
                offset >= 0, length >= 0
            else { return false }
            segments.append(SparseSegment(offset: UInt64(offset), length: UInt64(length)))
        }
        return true
    }
}
