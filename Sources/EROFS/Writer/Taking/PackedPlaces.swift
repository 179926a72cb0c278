/// Where an image has what another's packed inode holds.
public struct PackedPlaces: Sendable {
    /// A stretch of the other's packed inode that lies in one piece here too.
    struct Run {
        var old: Range<UInt64>
        var new: UInt64
    }

    private var runs: [Run] = []

    init() {}

    /// Notes that a stretch follows those noted so far; one that goes on with the last becomes part of it.
    mutating func append(_ old: Range<UInt64>, at new: UInt64) {
        if let last = runs.last, last.old.upperBound == old.lowerBound,
            last.new + UInt64(last.old.count) == new
        {
            runs[runs.count - 1].old = last.old.lowerBound..<old.upperBound
        } else {
            runs.append(Run(old: old, new: new))
        }
    }

    /// The place of a file; nil where it was not taken over.
    func place(of old: UInt64, size: UInt64) -> UInt64? {
        var low = 0
        var high = runs.count
        while low < high {
            let middle = (low + high) / 2
            if runs[middle].old.upperBound <= old { low = middle + 1 } else { high = middle }
        }
        guard low < runs.count, runs[low].old.contains(old), runs[low].old.upperBound - old >= size else {
            return nil
        }
        return runs[low].new + (old - runs[low].old.lowerBound)
    }
}

extension ImageReader {
    /// The bytes of the packed inode that are the whole of a file; nil for one that lies elsewhere.
    public func packedRange(of inode: Inode) throws(EROFSError) -> Range<UInt64>? {
        guard inode.kind == .regular, inode.isCompressed, inode.size > 0 else { return nil }
        guard let start = try MapHeader(of: inode, in: self).wholeFragment else { return nil }
        guard start < 1 << 62 else { throw .corrupt("inode \(inode.nid) lies beyond the packed inode") }
        return start..<start + inode.size
    }
}
