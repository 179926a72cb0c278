import Host
import Synchronization

/// Threads that compress batches. They end with ``stop()``.
final class CompressionPool: Sendable {
    private struct State {
        var queue: [Batch] = []
        var isStopped = false
    }

    private let state = Mutex(State())
    private let available = Signal()
    private let ended = Signal()
    private let threads: Int

    init(threads: Int, compression: Compression) throws(EROFSError) {
        self.threads = threads
        for index in 0..<threads {
            do {
                try startThread(named: "erofs-lz4-\(index)") { [self] in
                    let compressor = BatchCompressor(compression)
                    while let batch = next() {
                        compressor.compress(batch)
                        batch.done.raise()
                    }
                    ended.raise()
                }
            } catch {
                end(index)
                throw .file(error)
            }
        }
    }

    /// Hands a batch to the threads; its `done` is raised when it is compressed.
    func submit(_ batch: Batch) {
        state.withLock { $0.queue.append(batch) }
        available.raise()
    }

    /// Ends the threads and waits until they have ended: at most the time of one batch. What was queued is dropped.
    /// A second call does nothing.
    func stop() { end(threads) }

    private func end(_ count: Int) {
        let isFirst = state.withLock { state in
            defer { state.isStopped = true }
            state.queue.removeAll()
            return !state.isStopped
        }
        guard isFirst else { return }
        for _ in 0..<count { available.raise() }
        for _ in 0..<count { ended.wait() }
    }

    private func next() -> Batch? {
        while true {
            available.wait()
            let (batch, isStopped) = state.withLock {
                ($0.isStopped || $0.queue.isEmpty ? nil : $0.queue.removeFirst(), $0.isStopped)
            }
            if isStopped { return nil }
            if let batch { return batch }
        }
    }
}
