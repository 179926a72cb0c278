import Host

/// An initramfs' file: a cpio archive, as it is or compressed, with any number of uncompressed ones in front
/// (Documentation/driver-api/early-userspace/buffer-format.rst).
struct InitramfsFile: Equatable {
    /// What the last part is packed with.
    enum Packing: String, CaseIterable {
        case none, gzip, bzip2, lzma, xz, lzo, lz4, zstd

        /// The first bytes (lib/decompress.c and what it calls).
        fileprivate var magic: [UInt8] {
            switch self {
            case .none: Array("070701".utf8)
            case .gzip: [0x1F, 0x8B]
            case .bzip2: Array("BZh".utf8)
            case .lzma: [0x5D, 0x00, 0x00]
            case .xz: [0xFD, 0x37, 0x7A, 0x58, 0x5A, 0x00]
            case .lzo: [0x89, 0x4C, 0x5A, 0x4F]
            case .lz4: [0x02, 0x21, 0x4C, 0x18]
            case .zstd: [0x28, 0xB5, 0x2F, 0xFD]
            }
        }

        /// The kernel's option to unpack it; nil where none is needed.
        var kernelOption: String? { self == .none ? nil : "CONFIG_RD_\(rawValue.uppercased())" }
    }

    /// The packing of the last part.
    var packing: Packing
    /// Where the last part begins.
    var offset: UInt64

    /// Tells an initramfs by its bytes; nil for what no kernel unpacks.
    init?(_ file: FileBytes) throws(FileError) {
        offset = 0
        while true {
            guard let packing = try Self.packing(file, at: offset) else { return nil }
            self.packing = packing
            guard packing == .none else { return }
            guard let end = try Self.endOfArchive(file, from: offset) else { return nil }
            guard let next = try Self.endOfZeros(file, from: end) else { return }
            offset = next
        }
    }

    private static func packing(_ file: FileBytes, at offset: UInt64) throws(FileError) -> Packing? {
        // 070702 is the same with checksums.
        if try file.has(Array("070702".utf8), at: offset) { return Packing.none }
        for packing in Packing.allCases where try file.has(packing.magic, at: offset) { return packing }
        return nil
    }

    /// Where a cpio archive ends that begins at an offset; nil when it is cut off.
    private static func endOfArchive(_ file: FileBytes, from start: UInt64) throws(FileError) -> UInt64? {
        var offset = start
        while true {
            guard let header = CPIOHeader(try file.bytes(at: offset, CPIOHeader.size)) else { return nil }
            let nameStart = offset + UInt64(CPIOHeader.size)
            let text = try file.bytes(at: nameStart, CPIOHeader.trailer.utf8.count)
            offset = align(align(nameStart + header.nameSize) + header.contentSize)
            guard offset <= file.size + 3 else { return nil }
            if text.starts(with: CPIOHeader.trailer.utf8) { return offset }
        }
    }

    private static func align(_ offset: UInt64) -> UInt64 { (offset + 3) & ~3 }

    /// The first byte that is not zero; nil at the file's end.
    private static func endOfZeros(_ file: FileBytes, from start: UInt64) throws(FileError) -> UInt64? {
        var offset = start
        while true {
            let bytes = try file.bytes(at: offset, 65536)
            if bytes.isEmpty { return nil }
            if let index = bytes.firstIndex(where: { $0 != 0 }) { return offset + UInt64(index) }
            offset += UInt64(bytes.count)
        }
    }
}
