import Glibc

/// Where an inode is: a byte of the image, or a byte of the metadata stream, which only gets its place in the image
/// when a stretch of it is full.
struct InodeLocation: BitwiseCopyable, Equatable {
    private static let streamBit: UInt64 = 1 << 63
    private let raw: UInt64

    init(byte: UInt64) { raw = byte }
    init(streamByte: UInt64) { raw = streamByte | Self.streamBit }

    /// The byte of the stream, nil when it is one of the image.
    var streamByte: UInt64? { raw & Self.streamBit != 0 ? raw & ~Self.streamBit : nil }
    var imageByte: UInt64 { raw }
}

/// Packs items of at most one block into blocks: best fit among the last few blocks that are still open. A folder's
/// items can be placed before their bytes are known, since packing needs only sizes.
struct BlockPacker {
    /// The number of blocks that are open at once.
    static let openBlocks: UInt64 = 16

    private var room: [Int] = Array(repeating: 0, count: Int(openBlocks))
    /// The first block that was never opened.
    private(set) var nextBlock: UInt64 = 0

    /// Gives `size` bytes a place, at a multiple of 32.
    mutating func place(_ size: Int) -> UInt64 {
        let needed = align(size, to: Format.slotSize)
        var best = -1
        for index in room.indices where room[index] >= needed && (best < 0 || room[index] < room[best]) {
            best = index
        }
        if best < 0 {
            best = Int(nextBlock % Self.openBlocks)
            room[best] = Format.blockSize
            nextBlock += 1
        }
        // A ring: the block in `best` is the newest one with that remainder.
        let newest = nextBlock - 1
        let distance = (newest % Self.openBlocks + Self.openBlocks - UInt64(best)) % Self.openBlocks
        let offset = Format.blockSize - room[best]
        room[best] -= needed
        return (newest - distance) * UInt64(Format.blockSize) + UInt64(offset)
    }
}

/// The bytes of the blocks that a packer has open. Older blocks leave it in order, complete.
struct BlockWindow: ~Copyable {
    private let bytes = UnsafeMutableRawBufferPointer.allocate(
        byteCount: Int(BlockPacker.openBlocks) * Format.blockSize,
        alignment: 4096
    )
    private var first: UInt64 = 0
    private var end: UInt64 = 0

    deinit { bytes.deallocate() }

    /// The memory of a byte of the stream. Blocks that are too old for the window go to `sink`.
    mutating func memory(
        at offset: UInt64,
        sink: (UnsafeRawBufferPointer) throws(EROFSError) -> Void
    ) throws(EROFSError) -> UnsafeMutableRawPointer {
        let block = offset / UInt64(Format.blockSize)
        while end <= block {
            if end - first == BlockPacker.openBlocks { try dropFirst(sink) }
            memset(memory(ofBlock: end), 0, Format.blockSize)
            end += 1
        }
        return memory(ofBlock: block) + Int(offset % UInt64(Format.blockSize))
    }

    /// Hands over all blocks that are left.
    mutating func finish(sink: (UnsafeRawBufferPointer) throws(EROFSError) -> Void) throws(EROFSError) {
        while first < end { try dropFirst(sink) }
    }

    private mutating func dropFirst(_ sink: (UnsafeRawBufferPointer) throws(EROFSError) -> Void)
        throws(EROFSError)
    {
        try sink(UnsafeRawBufferPointer(start: memory(ofBlock: first), count: Format.blockSize))
        first += 1
    }

    private func memory(ofBlock block: UInt64) -> UnsafeMutableRawPointer {
        bytes.baseAddress.unsafelyUnwrapped + Int(block % BlockPacker.openBlocks) * Format.blockSize
    }
}

/// The inodes of all but folders with what is stored beside them, as one stream that is cut into stretches and laid
/// between the data.
struct MetadataStream: ~Copyable {
    /// The size at which a stretch is laid down.
    private let stretchSize: Int
    private var packer = BlockPacker()
    private var window = BlockWindow()
    private var stretch = GrowingBuffer<UInt8>()
    /// The first byte of the stream in `stretch`.
    private var stretchStart: UInt64 = 0
    /// For each stretch laid down: its first byte in the stream, and in the image.
    private var places: [(stream: UInt64, image: UInt64)] = []

    init(stretchSize: Int) { self.stretchSize = stretchSize }

    /// Makes room for an item of at most a block and returns where to write it, valid until the next call.
    mutating func add(_ size: Int, _ output: ImageOutput) throws(EROFSError) -> (
        UnsafeMutableRawPointer, InodeLocation
    ) {
        let offset = packer.place(size)
        let memory = try window.memory(at: offset) { block throws(EROFSError) in
            stretch.append(contentsOf: block.bindMemory(to: UInt8.self))
        }
        if stretch.count >= stretchSize { try lay(output) }
        return (memory, InodeLocation(streamByte: offset))
    }

    /// Lays down what is left; from then on every location resolves.
    mutating func finish(_ output: ImageOutput) throws(EROFSError) {
        try window.finish { block throws(EROFSError) in
            stretch.append(contentsOf: block.bindMemory(to: UInt8.self))
        }
        try lay(output)
    }

    /// The byte of the image, for a location whose stretch was laid down.
    func imageByte(of location: InodeLocation) -> UInt64 {
        guard let byte = location.streamByte else { return location.imageByte }
        var low = 0
        var high = places.count
        while high - low > 1 {
            let middle = (low + high) / 2
            if places[middle].stream <= byte { low = middle } else { high = middle }
        }
        return places[low].image + (byte - places[low].stream)
    }

    private mutating func lay(_ output: ImageOutput) throws(EROFSError) {
        guard stretch.count > 0 else { return }
        places.append((stretchStart, output.position))
        try output.append(UnsafeRawBufferPointer(stretch.elements))
        stretchStart += UInt64(stretch.count)
        stretch.removeAll()
    }
}
