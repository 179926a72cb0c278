/// A buffer over a source that gives out its bytes where they lie, and counts them.
///
/// A pointer that it gave is valid until the next call that returns or passes over bytes.
final class BlockBuffer {
    private let source: any ByteSource
    private let skipping: (any SkippingByteSource)?
    private let buffer: UnsafeMutableRawBufferPointer
    private var unread = 0..<0

    /// Where in the stream the next byte lies.
    private(set) var offset: UInt64 = 0

    init(_ source: any ByteSource, capacity: Int) {
        self.source = source
        skipping = source as? any SkippingByteSource
        buffer = .allocate(byteCount: max(4096, capacity), alignment: 64)
    }

    deinit { buffer.deallocate() }

    /// The next `count` bytes (at most 4096), less only at the end; they stay unread.
    func peek(_ count: Int) throws(ArchiveError) -> UnsafeRawBufferPointer {
        if unread.count < count {
            buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: buffer[unread]))
            unread = 0..<unread.count
            while unread.count < count, try fill() {}
        }
        return UnsafeRawBufferPointer(rebasing: buffer[unread.prefix(count)])
    }

    /// Marks bytes as read that ``peek(_:)`` gave.
    func consume(_ count: Int) {
        unread = unread.dropFirst(count)
        offset += UInt64(count)
    }

    /// Reads at least one and at most `limit` bytes; none only at the end.
    func take(_ limit: UInt64) throws(ArchiveError) -> UnsafeRawBufferPointer {
        if unread.isEmpty {
            unread = 0..<0
            guard try fill() else { return UnsafeRawBufferPointer(start: buffer.baseAddress, count: 0) }
        }
        let count = Int(min(UInt64(unread.count), limit))
        let bytes = UnsafeRawBufferPointer(rebasing: buffer[unread.prefix(count)])
        consume(count)
        return bytes
    }

    /// Passes over `count` bytes and returns how many there were.
    func skip(_ count: UInt64) throws(ArchiveError) -> UInt64 {
        var skipped = min(count, UInt64(unread.count))
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

    private func fill() throws(ArchiveError) -> Bool {
        let count = try source.read(
            into: UnsafeMutableRawBufferPointer(rebasing: buffer[unread.upperBound...])
        )
        unread = unread.lowerBound..<unread.upperBound + count
        return count > 0
    }
}
