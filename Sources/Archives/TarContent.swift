/// How far the reading of an entry's content got: what of it the archive stores, and where holes lie.
struct TarContent {
    /// What comes next.
    enum Step {
        /// Nothing.
        case end
        /// This many zero bytes that are not stored.
        case hole(UInt64)
        /// This many bytes from the archive.
        case data(UInt64)
    }

    /// Bytes of the archive that belong to the content and are not read yet.
    private(set) var stored: UInt64
    /// Bytes that fill up the last block.
    let padding: UInt64

    private let size: UInt64
    private let map: SparseMap?
    private var position: UInt64 = 0
    private var segment = 0

    /// Content of `size` bytes without holes, or with those around `map`.
    init(size: UInt64, map: SparseMap? = nil, stored: UInt64? = nil) {
        self.size = size
        self.map = map
        self.stored = stored ?? size
        padding = Self.padding(self.stored)
    }

    /// Bytes of the archive that are to be passed over.
    init(passingOver stored: UInt64) {
        self.init(size: 0, stored: stored)
    }

    static func padding(_ size: UInt64) -> UInt64 { (512 - size % 512) % 512 }

    var next: Step {
        guard position < size else { return .end }
        guard let map else { return .data(size - position) }
        guard segment < map.segments.count else { return .hole(size - position) }
        let next = map.segments[segment]
        return position < next.offset
            ? .hole(next.offset - position) : .data(next.offset + next.length - position)
    }

    /// Notes that a hole was passed.
    mutating func passHole(_ count: UInt64) { position += count }

    /// Notes that data was read.
    mutating func readData(_ count: UInt64) {
        position += count
        stored -= count
        if let map, position == map.segments[segment].offset + map.segments[segment].length { segment += 1 }
    }
}
