import Registry
import Synchronization

/// Time that passes only when somebody waits or a test says so.
final class TestClock: Sendable {
    private let nanoseconds = Mutex<Int64>(1_000_000_000)
    private let slept = Mutex<[Duration]>([])

    /// The waits so far.
    var waits: [Duration] { slept.withLock { $0 } }

    var now: Int64 { nanoseconds.withLock { $0 } }

    func advance(_ duration: Duration) {
        nanoseconds.withLock { $0 += duration.components.seconds * 1_000_000_000 }
    }

    /// Seconds since 1970 are those since the clock began, plus this.
    static let epoch: Int64 = 1_700_000_000

    var source: TimeSource {
        TimeSource(
            now: { self.now },
            date: { Self.epoch },
            sleep: { duration in
                self.slept.withLock { $0.append(duration) }
                self.advance(duration)
            },
            random: { 1 }
        )
    }
}
