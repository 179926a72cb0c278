import Glibc

/// Buffers that go round between one thread that fills them and one that empties them.
///
/// Unchecked: every stored variable is read and written with `mutex` held. The bytes of a buffer are touched without
/// it, by one side at a time: the filler owns buffer `first + filled` (modulo their number), the taker buffer
/// `first`, and they differ because the filler is given none while all are filled and the taker none while none is.
final class BufferRing: @unchecked Sendable {
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let changed = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    private let buffers: [UnsafeMutableRawBufferPointer]
    private var lengths: [Int]
    private var first = 0
    private var filled = 0
    /// How much of buffer `first` was taken.
    private var taken = 0
    private var isFinished = false
    private var failure: ArchiveError?
    private var isStopped = false

    init(bufferSize: Int, buffers count: Int) {
        pthread_mutex_init(mutex, nil)
        var attributes = pthread_condattr_t()
        pthread_condattr_init(&attributes)
        pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
        pthread_cond_init(changed, &attributes)
        pthread_condattr_destroy(&attributes)
        buffers = (0..<count).map { _ in .allocate(byteCount: bufferSize, alignment: 64) }
        lengths = Array(repeating: 0, count: count)
    }

    deinit {
        pthread_cond_destroy(changed)
        pthread_mutex_destroy(mutex)
        changed.deallocate()
        mutex.deallocate()
        for buffer in buffers { buffer.deallocate() }
    }

    /// Waits for a buffer to fill; nil once stopped.
    func emptyBuffer() -> UnsafeMutableRawBufferPointer? {
        locked {
            while filled == buffers.count && !isStopped { pthread_cond_wait(changed, mutex) }
            return isStopped ? nil : buffers[(first + filled) % buffers.count]
        }
    }

    /// Hands over the buffer that ``emptyBuffer()`` gave, with `count` bytes in it.
    func put(_ count: Int) {
        locked {
            lengths[(first + filled) % buffers.count] = count
            filled += 1
            pthread_cond_signal(changed)
        }
    }

    /// Says that nothing more comes.
    func finish(_ error: ArchiveError?) {
        locked {
            isFinished = true
            failure = error
            pthread_cond_signal(changed)
        }
    }

    /// Makes ``emptyBuffer()`` return nil from now on.
    func stop() {
        locked {
            isStopped = true
            pthread_cond_signal(changed)
        }
    }

    /// Copies bytes out; waits for some, 0 at the end. `check` is called before and ten times a second while waiting.
    func take(
        into target: UnsafeMutableRawBufferPointer,
        check: () throws(ArchiveError) -> Void
    ) throws(ArchiveError) -> Int {
        try check()
        while true {
            switch waitForBytes() {
            case .failed(let error): throw error
            case .end: return 0
            case .nothingYet: try check()
            case .bytes(let bytes):
                let count = min(bytes.count, target.count)
                target.copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes.prefix(count)))
                release(count)
                return count
            }
        }
    }

    private enum Turn {
        case bytes(UnsafeRawBufferPointer)
        case end
        case failed(ArchiveError)
        case nothingYet
    }

    private func waitForBytes() -> Turn {
        locked {
            if filled == 0 && !isFinished {
                var deadline = timespec()
                clock_gettime(CLOCK_MONOTONIC, &deadline)
                deadline.tv_nsec += 100_000_000
                if deadline.tv_nsec >= 1_000_000_000 {
                    deadline.tv_nsec -= 1_000_000_000
                    deadline.tv_sec += 1
                }
                pthread_cond_timedwait(changed, mutex, &deadline)
            }
            if filled > 0 {
                return .bytes(UnsafeRawBufferPointer(rebasing: buffers[first][taken..<lengths[first]]))
            }
            if let failure { return .failed(failure) }
            return isFinished ? .end : .nothingYet
        }
    }

    private func release(_ count: Int) {
        locked {
            taken += count
            guard taken == lengths[first] else { return }
            taken = 0
            first = (first + 1) % buffers.count
            filled -= 1
            pthread_cond_signal(changed)
        }
    }

    private func locked<Result>(_ body: () -> Result) -> Result {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        return body()
    }
}
