import Dispatch
import OCI
import Synchronization

/// The thread that takes the SHA-256 of what goes round in a ring.
final class HashThread: Sendable {
    private let ring: BufferRing
    private let reader: Int
    private let outcome = Mutex((digest: Digest.sha256(of: []), bytes: UInt64(0)))
    private let ended = DispatchSemaphore(value: 0)

    init(_ ring: BufferRing, reader: Int) {
        self.ring = ring
        self.reader = reader
    }

    /// The thread's work: ends with the stream, or when the ring is stopped.
    func run() {
        let hash = SHA256()
        var bytes: UInt64 = 0
        // An error of the stream is its owner's to hear, and then nobody asks for a digest.
        while let buffer = try? ring.next(for: reader), !buffer.isEmpty {
            hash.update(buffer)
            bytes += UInt64(buffer.count)
        }
        outcome.withLock { $0 = (hash.finalize(), bytes) }
        ended.signal()
    }

    /// What came of it, to be called once the stream has ended: waits for the thread.
    func result() -> (digest: Digest, bytes: UInt64) {
        ended.wait()
        defer { ended.signal() }
        return outcome.withLock { $0 }
    }
}
