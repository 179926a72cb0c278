/// A stream of bytes, read once from front to back by one thread at a time.
///
/// Sources are stacked: a file, its digest, its decompression, read-ahead, a tar reader on top. An error repeats on
/// every later call; a source that failed is of no further use.
public protocol ByteSource: AnyObject {
    /// Reads at least one byte, at most the buffer's size; 0 at the end of the stream, and then always.
    /// The buffer must not be empty.
    func read(into buffer: UnsafeMutableRawBufferPointer) throws(ArchiveError) -> Int
}

/// A source that has buffers of its own and gives out its bytes where they lie.
public protocol LendingByteSource: ByteSource {
    /// The next bytes, valid until the source is called again; none at the end of the stream, and then always.
    func lend() throws(ArchiveError) -> UnsafeRawBufferPointer
}

/// A source that can pass over bytes without reading them.
protocol SkippingByteSource: ByteSource {
    /// Passes over up to `count` bytes and returns how many there were.
    func skip(_ count: UInt64) throws(ArchiveError) -> UInt64
}

/// Bytes in memory as a source.
public final class MemorySource: ByteSource {
    private let bytes: [UInt8]
    private let chunk: Int
    private var position = 0

    /// A source of these bytes, `chunk` of them at most per read.
    public init(_ bytes: [UInt8], chunk: Int = .max) {
        self.bytes = bytes
        self.chunk = max(1, chunk)
    }

    /// Copies the next bytes.
    public func read(into buffer: UnsafeMutableRawBufferPointer) throws(ArchiveError) -> Int {
        let count = min(buffer.count, bytes.count - position, chunk)
        buffer.copyBytes(from: bytes[position..<position + count])
        position += count
        return count
    }
}
