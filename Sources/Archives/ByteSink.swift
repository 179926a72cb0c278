public import Host
public import OCI

/// Takes a stream of bytes, from front to back, by one thread at a time.
///
/// Sinks are stacked like sources: a tar, its digest, its compression, that one's digest, a file.
public protocol ByteSink: AnyObject {
    /// Takes the next bytes.
    func write(_ bytes: UnsafeRawBufferPointer) throws

    /// Says that the stream ends. Nothing may be written afterwards.
    func finish() throws
}

/// Passes a stream on and takes the SHA-256 of what passed.
public final class DigestingSink: ByteSink {
    private let downstream: any ByteSink
    private let hash = SHA256()
    /// How many bytes passed.
    public private(set) var bytes: UInt64 = 0

    /// A digest over what is written from now on.
    public init(_ downstream: any ByteSink) { self.downstream = downstream }

    /// Adds the bytes to the digest and passes them on.
    public func write(_ bytes: UnsafeRawBufferPointer) throws {
        hash.update(bytes)
        self.bytes += UInt64(bytes.count)
        try downstream.write(bytes)
    }

    /// Passes the end on.
    public func finish() throws { try downstream.finish() }

    /// The digest of all bytes. To be asked for once.
    public func digest() -> Digest { hash.finalize() }
}

/// Gathers small pieces of a stream, so that what comes behind is called seldom.
public final class BufferedSink: ByteSink {
    private let downstream: any ByteSink
    private let buffer: UnsafeMutableRawBufferPointer
    private var count = 0

    /// Passes on as many bytes at once.
    public init(_ downstream: any ByteSink, capacity: Int = 256 << 10) {
        self.downstream = downstream
        buffer = .allocate(byteCount: max(1, capacity), alignment: 4096)
    }

    deinit { buffer.deallocate() }

    /// Takes the bytes; passes on what fills the buffer.
    public func write(_ bytes: UnsafeRawBufferPointer) throws {
        var rest = bytes[...]
        while !rest.isEmpty {
            if count == 0, rest.count >= buffer.count {
                return try downstream.write(UnsafeRawBufferPointer(rebasing: rest))
            }
            let part = rest.prefix(buffer.count - count)
            UnsafeMutableRawBufferPointer(rebasing: buffer[count...]).copyMemory(
                from: UnsafeRawBufferPointer(rebasing: part)
            )
            count += part.count
            rest = rest.dropFirst(part.count)
            if count == buffer.count { try flush() }
        }
    }

    /// Passes on what is left, and the end.
    public func finish() throws {
        try flush()
        try downstream.finish()
    }

    private func flush() throws {
        guard count > 0 else { return }
        try downstream.write(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
        count = 0
    }
}

/// Writes a stream into a file: at the file's position, or from an offset on.
public final class FileSink: ByteSink {
    private let file: File
    private var offset: UInt64?

    /// Writes at the file's position, which a pipe has too.
    public init(_ file: File) { self.file = file }

    /// Writes from `offset` on; the file's position stays.
    public init(_ file: File, at offset: UInt64) {
        self.file = file
        self.offset = offset
    }

    /// Writes the bytes.
    public func write(_ bytes: UnsafeRawBufferPointer) throws {
        guard let offset else { return try file.writeAll(bytes) }
        try file.writeAll(bytes, at: offset)
        self.offset = offset + UInt64(bytes.count)
    }

    /// Does nothing: whoever opened the file makes it durable.
    public func finish() {}
}
