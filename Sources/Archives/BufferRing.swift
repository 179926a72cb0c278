import Glibc

/// Buffers that go round between one thread that fills them and readers that each see all of them, in order.
///
/// Unchecked: every stored variable is read and written with `mutex` held. The bytes of a buffer are touched without
/// it: the filler has the one behind those that are filled, which no reader is given before ``put(_:)``, and is given it
/// again only when every reader has let go of what it held; readers only read.
final class BufferRing: @unchecked Sendable {
    /// How far a reader is.
    private struct Reader {
        /// Buffers that it let go of.
        var finished = 0
        /// Whether it holds the next one.
        var isHolding = false
    }

    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    /// Signalled when a buffer is filled or nothing more comes.
    private let filledOne = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    /// Signalled when a reader lets go of a buffer.
    private let freedOne = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    private let buffers: [UnsafeMutableRawBufferPointer]
    private var lengths: [Int]
    /// Buffers that were filled.
    private var filled = 0
    private var readers: [Reader]
    private var isFinished = false
    private var failure: ArchiveError?
    private var isStopped = false

    /// - Parameter readers: how many there are; a buffer is filled again when all of them are done with it.
    init(bufferSize: Int, buffers count: Int, readers: Int) {
        pthread_mutex_init(mutex, nil)
        var attributes = pthread_condattr_t()
        pthread_condattr_init(&attributes)
        pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
        pthread_cond_init(filledOne, &attributes)
        pthread_cond_init(freedOne, &attributes)
        pthread_condattr_destroy(&attributes)
        buffers = (0..<count).map { _ in .allocate(byteCount: bufferSize, alignment: 64) }
        lengths = Array(repeating: 0, count: count)
        self.readers = Array(repeating: Reader(), count: readers)
    }

    deinit {
        pthread_cond_destroy(freedOne)
        pthread_cond_destroy(filledOne)
        pthread_mutex_destroy(mutex)
        freedOne.deallocate()
        filledOne.deallocate()
        mutex.deallocate()
        for buffer in buffers { buffer.deallocate() }
    }

    // MARK: Filling

    /// Waits for a buffer to fill; nil once stopped.
    func emptyBuffer() -> UnsafeMutableRawBufferPointer? {
        locked {
            while filled - finishedByAll == buffers.count && !isStopped { pthread_cond_wait(freedOne, mutex) }
            return isStopped ? nil : buffers[filled % buffers.count]
        }
    }

    /// Hands over the buffer that ``emptyBuffer()`` gave, with `count` bytes in it.
    func put(_ count: Int) {
        locked {
            lengths[filled % buffers.count] = count
            filled += 1
            pthread_cond_broadcast(filledOne)
        }
    }

    /// Says that nothing more comes.
    func finish(_ error: ArchiveError?) {
        locked {
            isFinished = true
            failure = error
            pthread_cond_broadcast(filledOne)
        }
    }

    // MARK: Reading

    /// Ends it for all sides: ``emptyBuffer()`` returns nil from now on, and readers see the end.
    func stop() {
        locked {
            isStopped = true
            pthread_cond_signal(freedOne)
            pthread_cond_broadcast(filledOne)
        }
    }

    /// The next buffer's bytes for a reader, valid until it calls again; waits for them, and gives none at the end.
    ///
    /// - Parameter check: called before and ten times a second while waiting.
    /// - Throws: what the filler finished with, after all that came before.
    func next(
        for reader: Int,
        check: () throws(ArchiveError) -> Void = {}
    ) throws(ArchiveError) -> UnsafeRawBufferPointer {
        try check()
        letGo(reader)
        while true {
            switch wait(reader) {
            case .failed(let error): throw error
            case .end: return UnsafeRawBufferPointer(start: nil, count: 0)
            case .nothingYet: try check()
            case .bytes(let bytes): return bytes
            }
        }
    }

    private enum Turn {
        case bytes(UnsafeRawBufferPointer)
        case end
        case failed(ArchiveError)
        case nothingYet
    }

    private func letGo(_ reader: Int) {
        locked {
            guard readers[reader].isHolding else { return }
            readers[reader].isHolding = false
            readers[reader].finished += 1
            pthread_cond_signal(freedOne)
        }
    }

    private func wait(_ reader: Int) -> Turn {
        locked {
            let position = readers[reader].finished
            if position == filled && !isFinished && !isStopped {
                var deadline = timespec()
                clock_gettime(CLOCK_MONOTONIC, &deadline)
                deadline.tv_nsec += 100_000_000
                if deadline.tv_nsec >= 1_000_000_000 {
                    deadline.tv_nsec -= 1_000_000_000
                    deadline.tv_sec += 1
                }
                pthread_cond_timedwait(filledOne, mutex, &deadline)
            }
            if isStopped { return .end }
            if position < filled {
                readers[reader].isHolding = true
                let index = position % buffers.count
                return .bytes(UnsafeRawBufferPointer(rebasing: buffers[index][..<lengths[index]]))
            }
            if let failure { return .failed(failure) }
            return isFinished ? .end : .nothingYet
        }
    }

    // MARK: Inside

    /// How many buffers every reader let go of.
    private var finishedByAll: Int { readers.reduce(filled) { min($0, $1.finished) } }

    private func locked<Result>(_ body: () -> Result) -> Result {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        return body()
    }
}
