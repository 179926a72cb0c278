/// A stretch of data in a sparse file; what lies between reads as zeros.
struct SparseSegment: Sendable, Equatable {
    /// Where in the expanded file it begins.
    var offset: UInt64
    /// Its bytes.
    var length: UInt64
}

/// Where the data of a sparse file lies: in order, within the file, and exactly as much as is stored.
struct SparseMap: Sendable {
    /// Stretches of data, none of them empty.
    let segments: [SparseSegment]

    /// Checks a map as an archive gives it.
    init(_ segments: [SparseSegment], size: UInt64, storedSize: UInt64) throws(TarFailure) {
        var position: UInt64 = 0
        var data: UInt64 = 0
        for segment in segments {
            let (end, overflow) = segment.offset.addingReportingOverflow(segment.length)
            guard !overflow, segment.offset >= position, end <= size else {
                throw TarFailure(
                    .invalid,
                    "its sparse map is out of order or goes beyond its size of \(size) bytes"
                )
            }
            position = end
            // Cannot overflow: the segments do not overlap and end within the file.
            data += segment.length
        }
        guard data == storedSize else {
            throw TarFailure(.invalid, "its sparse map has \(data) bytes of data, the archive \(storedSize)")
        }
        // Writers mark the size with an empty segment at the end.
        self.segments = segments.filter { $0.length > 0 }
    }
}
