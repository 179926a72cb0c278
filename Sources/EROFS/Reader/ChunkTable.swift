/// The table of a chunk-based file: one block address for each chunk, or none for a hole.
struct ChunkTable {
    private static let entriesAtOnce: UInt64 = 16_384

    /// The size of a chunk is two to the power of this.
    let bits: UInt64
    private let image: ImageReader
    private let inode: Inode
    private let start: UInt64

    init(_ image: ImageReader, _ inode: Inode) throws(EROFSError) {
        let format = inode.fields.union
        guard format & ~0x1F == 0 else {
            throw .unsupported("inode \(inode.nid) has chunks of the format \(format)")
        }
        bits = UInt64(Format.blockBits) + UInt64(format)
        self.image = image
        self.inode = inode
        start = align(inode.bodyOffset, to: 4)
    }

    /// The number of chunks.
    var count: UInt64 { inode.size == 0 ? 0 : (inode.size - 1) >> bits + 1 }
    /// The byte of the image behind the table.
    var metadataEnd: UInt64 { start + count * 4 }

    /// The addresses of some chunks, nil for a hole.
    func addresses(_ chunks: Range<UInt64>) throws(EROFSError) -> [UInt32?] {
        let bytes = try image.read(start + chunks.lowerBound * 4, chunks.count * 4)
        return bytes.withUnsafeBytes { bytes in
            chunks.indices.map { chunk in
                let address: UInt32? = bytes.integer(at: Int(chunk - chunks.lowerBound) * 4)
                return address == Format.holeAddress ? nil : address
            }
        }
    }

    /// Calls `body` with the address of each chunk and the bytes of the file in it.
    func forEach(_ body: (UInt32?, UInt64) throws(EROFSError) -> Void) throws(EROFSError) {
        var first: UInt64 = 0
        while first < count {
            let end = min(first + Self.entriesAtOnce, count)
            for (index, address) in try addresses(first..<end).enumerated() {
                try body(address, min(1 << bits, inode.size - (first + UInt64(index)) << bits))
            }
            first = end
        }
    }
}
