/// Gives out a source's bytes where they lie, and counts them.
///
/// A pointer that it gave is valid until the next call that returns or passes over bytes.
final class BlockBuffer {
    /// The most that ``peek(_:)`` gives.
    private static let largestPeek = 4096

    private let source: any LendingByteSource
    private let skipping: (any SkippingByteSource)?
    /// The unread part of what the source lent.
    private var lent = UnsafeRawBufferPointer(start: nil, count: 0)
    /// Room for bytes that lie in two of the source's buffers.
    private let seam = UnsafeMutableRawBufferPointer.allocate(byteCount: largestPeek, alignment: 64)
    /// The unread bytes there, which come before what is lent.
    private var copied = 0..<0

    /// Where in the stream the next byte lies.
    private(set) var offset: UInt64 = 0

    /// - Parameter capacity: the size of a buffer for a source that has none itself.
    init(_ source: any ByteSource, capacity: Int) {
        skipping = source as? any SkippingByteSource
        self.source = source as? any LendingByteSource ?? BufferedSource(source, capacity: capacity)
    }

    deinit { seam.deallocate() }

    /// The next `count` bytes (at most 4096), less only at the end; they stay unread.
    func peek(_ count: Int) throws(ArchiveError) -> UnsafeRawBufferPointer {
        if copied.isEmpty {
            if lent.isEmpty { lent = try source.lend() }
            if lent.count >= count { return UnsafeRawBufferPointer(rebasing: lent[..<count]) }
        }
        if copied.count < count {
            seam.copyMemory(from: UnsafeRawBufferPointer(rebasing: seam[copied]))
            copied = 0..<copied.count
            while copied.count < count {
                if lent.isEmpty { lent = try source.lend() }
                if lent.isEmpty { break }
                let part = lent.prefix(count - copied.count)
                UnsafeMutableRawBufferPointer(rebasing: seam[copied.upperBound...]).copyBytes(from: part)
                lent = UnsafeRawBufferPointer(rebasing: lent[part.count...])
                copied = 0..<copied.upperBound + part.count
            }
        }
        return UnsafeRawBufferPointer(rebasing: seam[copied.prefix(count)])
    }

    /// Marks bytes as read that ``peek(_:)`` gave.
    func consume(_ count: Int) {
        let first = min(count, copied.count)
        copied = copied.dropFirst(first)
        lent = UnsafeRawBufferPointer(rebasing: lent[(count - first)...])
        offset += UInt64(count)
    }

    /// Reads at least one and at most `limit` bytes; none only at the end.
    func take(_ limit: UInt64) throws(ArchiveError) -> UnsafeRawBufferPointer {
        if copied.isEmpty, lent.isEmpty { lent = try source.lend() }
        let unread = copied.isEmpty ? lent : UnsafeRawBufferPointer(rebasing: seam[copied])
        let count = Int(min(UInt64(unread.count), limit))
        consume(count)
        return UnsafeRawBufferPointer(rebasing: unread[..<count])
    }

    /// Passes over `count` bytes and returns how many there were.
    func skip(_ count: UInt64) throws(ArchiveError) -> UInt64 {
        var skipped = min(count, UInt64(copied.count + lent.count))
        consume(Int(skipped))
        if let skipping, skipped < count {
            let more = try skipping.skip(count - skipped)
            offset += more
            return skipped + more
        }
        while skipped < count {
            let bytes = try take(count - skipped)
            if bytes.isEmpty { break }
            skipped += UInt64(bytes.count)
        }
        return skipped
    }
}

/// A source with a buffer before it.
private final class BufferedSource: LendingByteSource {
    private let upstream: any ByteSource
    private let buffer: UnsafeMutableRawBufferPointer

    init(_ upstream: any ByteSource, capacity: Int) {
        self.upstream = upstream
        buffer = .allocate(byteCount: max(4096, capacity), alignment: 64)
    }

    deinit { buffer.deallocate() }

    func lend() throws(ArchiveError) -> UnsafeRawBufferPointer {
        let count = try upstream.read(into: buffer)
        return UnsafeRawBufferPointer(rebasing: buffer[..<count])
    }

    func read(into buffer: UnsafeMutableRawBufferPointer) throws(ArchiveError) -> Int {
        try upstream.read(into: buffer)
    }
}
