/// Reads what of a sparse map lies behind the header, and checks the whole.
struct SparseMapReader {
    private let blocks: BlockBuffer
    private let limits: TarLimits
    private let located: (TarFailure) -> ArchiveError

    init(_ blocks: BlockBuffer, limits: TarLimits, located: @escaping (TarFailure) -> ArchiveError) {
        self.blocks = blocks
        self.limits = limits
        self.located = located
    }

    /// The content of a sparse file of `size` bytes with its holes, the buffer then standing at its data.
    func content(
        size: UInt64,
        stored: UInt64,
        map: [SparseSegment],
        rest: ContentLayout.RestOfMap
    ) throws(ArchiveError) -> TarContent {
        var segments = map
        var data = stored
        switch rest {
        case .none: break
        case .blocks: try readBlocks(&segments)
        case .content: data -= try readContent(&segments, stored)
        }
        do {
            return TarContent(
                size: size,
                map: try SparseMap(segments, size: size, storedSize: data),
                stored: data
            )
        } catch {
            throw located(error)
        }
    }

    private func readBlocks(_ segments: inout [SparseSegment]) throws(ArchiveError) {
        var continues = true
        while continues {
            let block = try blocks.peek(TarHeader.size)
            guard block.count == TarHeader.size else { throw truncated }
            let continuation = OldSparseMap.continuation(block)
            guard continuation.map.append(to: &segments) else {
                throw located(TarFailure(.invalid, "its sparse map has a wrong number"))
            }
            try check(segments.count)
            continues = continuation.continues
            blocks.consume(TarHeader.size)
        }
    }

    /// Decimal numbers, one a line: how many segments, then offset and length of each; filled up to a block.
    /// Returns how many bytes it took.
    private func readContent(_ segments: inout [SparseSegment], _ stored: UInt64) throws(ArchiveError)
        -> UInt64
    {
        var taken: UInt64 = 0
        var count: UInt64?
        var offset: UInt64?
        var digits: [UInt8] = []
        while count == nil || UInt64(segments.count) < count ?? 0 {
            let block = try blocks.peek(TarHeader.size)
            guard block.count == TarHeader.size else { throw truncated }
            taken += UInt64(TarHeader.size)
            guard taken <= stored else {
                throw located(TarFailure(.invalid, "its sparse map is longer than its content"))
            }
            for byte in block where count == nil || UInt64(segments.count) < count ?? 0 {
                guard byte == UInt8(ascii: "\n") else {
                    digits.append(byte)
                    // No 64-bit number is longer.
                    guard digits.count <= 20 else { throw malformed }
                    continue
                }
                guard let number = TarNumber.decimal(digits) else { throw malformed }
                digits = []
                if count == nil {
                    count = number
                    try check(Int(clamping: number))
                } else if let start = offset {
                    segments.append(SparseSegment(offset: start, length: number))
                    offset = nil
                } else {
                    offset = number
                }
            }
            blocks.consume(TarHeader.size)
        }
        return taken
    }

    private func check(_ count: Int) throws(ArchiveError) {
        guard count <= limits.sparseSegments else {
            throw located(
                TarFailure(.limitExceeded, "its sparse map has more than \(limits.sparseSegments) parts")
            )
        }
    }

    private var truncated: ArchiveError {
        located(
            TarFailure(.truncated, "the archive ends in the middle of its sparse map; copy the file again")
        )
    }

    private var malformed: ArchiveError {
        located(TarFailure(.invalid, "its sparse map is no list of numbers"))
    }
}
