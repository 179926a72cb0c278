/// The entries of an inode's index, full or compacted, of which it keeps a block or a pack.
struct IndexEntries {
    private static let perWindow = UInt64(Format.blockSize / Format.indexEntrySize)

    private let image: ImageReader
    private let inode: Inode
    private let isBigCluster: Bool
    /// The byte of the image at which the entries begin.
    private let start: UInt64
    /// Of a compacted index.
    private let layout: CompactLayout?
    private var window: [IndexEntry] = []
    private var windowStart: UInt64 = 0
    /// One for each 4 KiB of the file.
    let count: UInt64

    init(_ image: ImageReader, _ inode: Inode, _ header: MapHeader) {
        self.image = image
        self.inode = inode
        isBigCluster = header.isBigCluster
        count = (inode.size + UInt64(Format.blockSize) - 1) >> UInt64(Format.blockBits)
        let behind = inode.mapHeaderOffset + UInt64(MapHeader.size)
        if inode.fields.layout == .compressedCompact {
            start = behind
            let hasPacks = header.advise & MapHeader.Advise.packsOf16 != 0
            layout = CompactLayout(start: Int(behind % 32), count: count, hasPacks: hasPacks)
        } else {
            // Eight bytes are reserved before a full index.
            start = behind + 8
            layout = nil
        }
    }

    /// The byte of the image behind the index.
    var end: UInt64 { start + (layout?.size ?? count * UInt64(Format.indexEntrySize)) }

    /// An entry.
    ///
    /// - Throws: ``EROFSError/corrupt(_:)`` for one beyond the index or of an unknown type.
    subscript(number: UInt64) -> IndexEntry {
        mutating get throws(EROFSError) {
            guard number < count else { throw corrupt("is too short") }
            if window.isEmpty || number < windowStart || number - windowStart >= UInt64(window.count) {
                try load(number)
            }
            let entry = window[Int(number - windowStart)]
            guard entry.type <= Format.ClusterType.continuation, entry.offset < Format.blockSize else {
                throw corrupt("has an entry of an unknown kind")
            }
            return entry
        }
    }

    private mutating func load(_ number: UInt64) throws(EROFSError) {
        if let layout {
            let pack = layout.pack(of: number)
            let bytes = try image.read(start + pack.offset, CompactPack.size(pack.entries))
            window = bytes.withUnsafeBytes { CompactPack.decode($0, isBigCluster: isBigCluster) }
            windowStart = pack.first
            return
        }
        windowStart = number / Self.perWindow * Self.perWindow
        let length = Int(min(Self.perWindow, count - windowStart))
        let bytes = try image.read(
            start + windowStart * UInt64(Format.indexEntrySize),
            length * Format.indexEntrySize
        )
        window = bytes.withUnsafeBytes { buffer in
            (0..<length).map { Self.entry(in: buffer, at: $0 * Format.indexEntrySize) }
        }
    }

    /// An entry of a full index (`struct z_erofs_lcluster_index`).
    private static func entry(in bytes: UnsafeRawBufferPointer, at offset: Int) -> IndexEntry {
        let advise: UInt16 = bytes.integer(at: offset) ?? .max
        let low: UInt16 = bytes.integer(at: offset + 4) ?? 0
        let high: UInt16 = bytes.integer(at: offset + 6) ?? 0
        var entry = IndexEntry(type: advise & ~Format.partialFlag)
        entry.offset = bytes.integer(at: offset + 2) ?? 0
        guard !entry.isHead else {
            entry.isPartial = advise & Format.partialFlag != 0
            entry.block = UInt32(low) | UInt32(high) << 16
            return entry
        }
        entry.offset = 0
        if low & Format.blockCountFlag != 0 {
            entry.blocks = low & ~Format.blockCountFlag
            entry.back = 1
        } else {
            entry.back = low
        }
        entry.forward = high
        return entry
    }

    private func corrupt(_ what: String) -> EROFSError { .corrupt("the index of inode \(inode.nid) \(what)") }
}
