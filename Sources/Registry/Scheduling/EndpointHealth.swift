import Synchronization

/// Remembers which endpoints did not answer, so that a dead mirror costs its time-out once and not per layer.
///
/// Keeps endpoints by their origin. Times are nanoseconds on a monotonic clock.
final class EndpointHealth: Sendable {
    private struct Entry {
        var failures: Int
        var deadUntil: Int64
    }

    private let now: @Sendable () -> Int64
    private let entries = Mutex<[String: Entry]>([:])

    /// How long an endpoint is left alone after its first failure; doubled with each that follows.
    static let firstRest = Duration.seconds(30)
    /// The longest that it is left alone.
    static let longestRest = Duration.seconds(300)

    init(now: @escaping @Sendable () -> Int64) { self.now = now }

    /// Whether the endpoint may be asked.
    func isAlive(_ origin: String) -> Bool {
        entries.withLock { entries in
            guard let entry = entries[origin] else { return true }
            return entry.deadUntil <= now()
        }
    }

    /// The endpoint did not answer.
    func noteDead(_ origin: String) {
        let time = now()
        entries.withLock { entries in
            // Requests that were under way together fail together, and count once.
            if let entry = entries[origin], entry.deadUntil > time { return }
            let failures = (entries[origin]?.failures ?? 0) + 1
            var rest = Self.firstRest
            for _ in 1..<min(failures, 16) where rest < Self.longestRest { rest *= 2 }
            let nanoseconds = min(rest, Self.longestRest).components.seconds * 1_000_000_000
            entries[origin] = Entry(failures: failures, deadUntil: time + nanoseconds)
        }
    }

    /// The endpoint answered.
    func noteAlive(_ origin: String) { entries.withLock { $0[origin] = nil } }
}
