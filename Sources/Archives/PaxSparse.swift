/// What pax records say about a sparse file (GNU tar's manual, "Storing Sparse Files"): 0.0 lists the map in records
/// of its own, 0.1 in one, 1.0 puts it before the data.
struct PaxSparse: Sendable {
    private var version: (major: UInt64?, minor: UInt64?) = (nil, nil)
    /// The file's name: the entry's own is made up.
    private(set) var name: [UInt8]?
    private var size: UInt64?
    private var segments: [SparseSegment] = []
    private var hasMap = false
    private var offset: UInt64?
    private var segmentCount: UInt64?

    /// How the map is to be had.
    enum Layout {
        /// The entry is not sparse.
        case none
        /// The map was in the records.
        case records([SparseSegment], size: UInt64)
        /// The map comes before the data.
        case content(size: UInt64)
    }

    mutating func apply(_ record: PaxRecord, key: String, limits: TarLimits) throws(TarFailure) {
        switch key {
        case "GNU.sparse.major": version.major = try record.number()
        case "GNU.sparse.minor": version.minor = try record.number()
        case "GNU.sparse.name": name = try record.name(limits)
        case "GNU.sparse.size", "GNU.sparse.realsize": size = try record.number()
        case "GNU.sparse.numblocks": segmentCount = try record.number()
        case "GNU.sparse.offset":
            guard offset == nil, let number = try record.number() else { throw record.malformed }
            offset = number
        case "GNU.sparse.numbytes":
            guard let start = offset, let length = try record.number() else { throw record.malformed }
            try append(SparseSegment(offset: start, length: length), limits)
            offset = nil
        case "GNU.sparse.map":
            segments = []
            hasMap = true
            var numbers: [UInt64] = []
            for text in record.value.split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false) {
                if text.isEmpty && record.value.isEmpty { break }
                guard let number = TarNumber.decimal(text) else { throw record.malformed }
                numbers.append(number)
                guard numbers.count == 2 else { continue }
                try append(SparseSegment(offset: numbers[0], length: numbers[1]), limits)
                numbers = []
            }
            guard numbers.isEmpty else { throw record.malformed }
        default: break
        }
    }

    private mutating func append(_ segment: SparseSegment, _ limits: TarLimits) throws(TarFailure) {
        hasMap = true
        guard segments.count < limits.sparseSegments else {
            throw TarFailure(.limitExceeded, "its sparse map has more than \(limits.sparseSegments) parts")
        }
        segments.append(segment)
    }

    /// What the records amount to.
    func layout() throws(TarFailure) -> Layout {
        if let major = version.major, let minor = version.minor, major != 0 {
            guard major == 1, minor == 0 else {
                throw TarFailure(
                    .unsupported,
                    "sparse format \(major).\(minor) is not known; write the archive anew without --sparse"
                )
            }
            guard let size else {
                throw TarFailure(.invalid, "its pax records give no size for a sparse file")
            }
            return .content(size: size)
        }
        guard hasMap || size != nil || name != nil || segmentCount != nil else { return .none }
        guard let size, offset == nil, segmentCount == nil || segmentCount == UInt64(segments.count) else {
            throw TarFailure(.invalid, "its pax records for a sparse file are not complete")
        }
        return .records(segments, size: size)
    }
}
