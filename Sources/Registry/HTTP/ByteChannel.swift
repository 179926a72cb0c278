import Glibc

/// A bounded buffer of bytes between the transport's thread, which puts all or nothing and never waits, and a reader,
/// who waits. Whoever was told that it is full is called once half of it is free.
///
/// Unchecked: every stored variable is read and written with `mutex` held.
final class ByteChannel: @unchecked Sendable {
    /// What a reader gets.
    enum Turn {
        case bytes(Int)
        case end
        case failed(RegistryError)
        /// Nothing came for a tenth of a second.
        case nothingYet
    }

    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let changed = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    private let buffer: UnsafeMutableRawBufferPointer
    private var first = 0
    private var count = 0
    private var total: UInt64 = 0
    private var isFinished = false
    private var failure: RegistryError?
    private var isStopped = false
    private var hasBeenFull = false
    private var resume: (@Sendable () -> Void)?

    init(capacity: Int) {
        pthread_mutex_init(mutex, nil)
        var attributes = pthread_condattr_t()
        pthread_condattr_init(&attributes)
        pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
        pthread_cond_init(changed, &attributes)
        pthread_condattr_destroy(&attributes)
        buffer = .allocate(byteCount: max(64 << 10, capacity), alignment: 64)
    }

    deinit {
        pthread_cond_destroy(changed)
        pthread_mutex_destroy(mutex)
        changed.deallocate()
        mutex.deallocate()
        buffer.deallocate()
    }

    /// How many bytes were put in so far.
    var received: UInt64 { locked { total } }

    /// Whether the reader ever was slower than what came.
    var wasEverFull: Bool { locked { hasBeenFull } }

    /// Takes all bytes or none: `whenFree` is called once there is room again.
    func put(_ bytes: UnsafeRawBufferPointer, whenFree: @escaping @Sendable () -> Void) -> Reception {
        locked {
            if isStopped { return .refused }
            guard bytes.count <= buffer.count - count else {
                // What is larger than the whole buffer would wait for ever.
                guard bytes.count <= buffer.count else { return .refused }
                resume = whenFree
                hasBeenFull = true
                return .full
            }
            var end = first + count
            if end >= buffer.count { end -= buffer.count }
            let head = min(bytes.count, buffer.count - end)
            copy(bytes[..<head], to: end)
            copy(bytes[head...], to: 0)
            count += bytes.count
            total += UInt64(bytes.count)
            pthread_cond_signal(changed)
            return .taken
        }
    }

    /// Says that nothing more comes. What is in the buffer is still read.
    func finish(_ error: RegistryError?) {
        locked {
            guard !isFinished else { return }
            isFinished = true
            failure = error
            pthread_cond_signal(changed)
        }
    }

    /// The reader goes: nothing is taken any more.
    func stop() {
        let resume = locked {
            isStopped = true
            return takeResume()
        }
        resume?()
    }

    /// Takes bytes out, waiting a tenth of a second for some.
    func take(into target: UnsafeMutableRawBufferPointer) -> Turn {
        var call: (@Sendable () -> Void)?
        let turn: Turn = locked {
            if count == 0 && !isFinished { wait() }
            guard count > 0 else {
                if let failure { return .failed(failure) }
                return isFinished ? .end : .nothingYet
            }
            let taken = min(count, target.count)
            let head = min(taken, buffer.count - first)
            target.copyMemory(from: UnsafeRawBufferPointer(rebasing: buffer[first..<first + head]))
            if taken > head {
                UnsafeMutableRawBufferPointer(rebasing: target[head...])
                    .copyMemory(from: UnsafeRawBufferPointer(rebasing: buffer[..<(taken - head)]))
            }
            first += taken
            if first >= buffer.count { first -= buffer.count }
            count -= taken
            if count <= buffer.count / 2 { call = takeResume() }
            return .bytes(taken)
        }
        call?()
        return turn
    }

    private func takeResume() -> (@Sendable () -> Void)? {
        defer { resume = nil }
        return resume
    }

    private func copy(_ bytes: Slice<UnsafeRawBufferPointer>, to offset: Int) {
        UnsafeMutableRawBufferPointer(rebasing: buffer[offset...])
            .copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes))
    }

    private func wait() {
        var deadline = timespec()
        clock_gettime(CLOCK_MONOTONIC, &deadline)
        deadline.tv_nsec += 100_000_000
        if deadline.tv_nsec >= 1_000_000_000 {
            deadline.tv_nsec -= 1_000_000_000
            deadline.tv_sec += 1
        }
        pthread_cond_timedwait(changed, mutex, &deadline)
    }

    private func locked<Result>(_ body: () -> Result) -> Result {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        return body()
    }
}
