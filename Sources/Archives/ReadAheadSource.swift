public import Host
public import OCI
import Synchronization

/// Reads its upstream on a thread of its own, a bounded number of buffers ahead, and takes the SHA-256 of what comes on
/// another.
///
/// Bytes, the end and an error arrive in the order upstream gave them. Upstream belongs to the thread from the
/// initialiser on, until `read` has returned 0 or thrown; only then may its owner look at it again (a digest, a
/// byte count). When the source goes away, or is cancelled, the threads end as soon as upstream's current read
/// returns; nobody waits for them.
public final class ReadAheadSource: LendingByteSource {
    /// Who reads the ring.
    private enum Reader {
        static let owner = 0
        static let hash = 1
    }

    private let ring: BufferRing
    private let hash: HashThread
    private let name: String
    private let cancellation: Cancellation?
    /// What ``read(into:)`` left of a buffer.
    private var rest = UnsafeRawBufferPointer(start: nil, count: 0)

    /// Starts to read `upstream`.
    ///
    /// - Parameters:
    ///   - name: Names the stream in errors.
    ///   - bufferSize: Bytes of one buffer.
    ///   - buffers: How many there are.
    ///   - cancellation: Once set, `read` throws and the threads end.
    public init(
        _ upstream: any ByteSource,
        name: String,
        bufferSize: Int = 256 << 10,
        buffers: Int = 8,
        cancellation: Cancellation? = nil
    ) {
        ring = BufferRing(bufferSize: max(1, bufferSize), buffers: max(1, buffers), readers: 2)
        hash = HashThread(ring, reader: Reader.hash)
        self.name = name
        self.cancellation = cancellation
        let pump = Pump(upstream: upstream, ring: ring, name: name, cancellation: cancellation)
        do {
            try startThread(named: "hash") { [hash] in hash.run() }
            try startThread(named: "read-ahead") { pump.run() }
        } catch { ring.finish(ArchiveError(error)) }
    }

    deinit { ring.stop() }

    /// The next buffer that was read ahead; waits for it.
    public func lend() throws(ArchiveError) -> UnsafeRawBufferPointer {
        defer { rest = UnsafeRawBufferPointer(start: nil, count: 0) }
        return rest.isEmpty ? try next() : rest
    }

    /// Copies bytes that were read ahead; waits for some.
    public func read(into buffer: UnsafeMutableRawBufferPointer) throws(ArchiveError) -> Int {
        if rest.isEmpty { rest = try next() }
        let count = min(rest.count, buffer.count)
        buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: rest[..<count]))
        rest = UnsafeRawBufferPointer(rebasing: rest[count...])
        return count
    }

    /// Reads what is left and returns the digest and number of all bytes. To be called once.
    public func finishDigest() throws(ArchiveError) -> (digest: Digest, bytes: UInt64) {
        while try !lend().isEmpty {}
        return hash.result()
    }

    private func next() throws(ArchiveError) -> UnsafeRawBufferPointer {
        try ring.next(for: Reader.owner) { () throws(ArchiveError) in
            if let cancellation, cancellation.isCancelled { throw .cancelled(name) }
        }
    }
}

/// The thread's side of a ``ReadAheadSource``.
///
/// Unchecked: `upstream` is not Sendable, but after the initialiser only `run`, called once on one thread, touches
/// it; whoever looks at it after the end has been ordered behind that thread by the ring's lock.
private final class Pump: @unchecked Sendable {
    private let upstream: any ByteSource
    private let ring: BufferRing
    private let name: String
    private let cancellation: Cancellation?

    init(upstream: any ByteSource, ring: BufferRing, name: String, cancellation: Cancellation?) {
        self.upstream = upstream
        self.ring = ring
        self.name = name
        self.cancellation = cancellation
    }

    func run() {
        do throws(ArchiveError) {
            while let buffer = ring.emptyBuffer() {
                if let cancellation, cancellation.isCancelled { throw ArchiveError.cancelled(name) }
                let count = try upstream.read(into: buffer)
                if count == 0 { break }
                ring.put(count)
            }
            ring.finish(nil)
        } catch { ring.finish(error) }
    }
}
