import Store

/// How long to wait before trying again what failed: by default 10 s, doubled with each attempt up to 5 min, a fifth more
/// or less by chance so that many failures of one cause do not come back at once.
struct Backoff: Sendable {
    /// The wait after the first failure.
    var first: Duration = .seconds(10)
    /// The longest wait.
    var limit: Duration = .seconds(300)

    /// For what will hardly come right by itself, but does when somebody acts elsewhere: 5 min to 1 h.
    static let permanent = Backoff(first: .seconds(300), limit: .seconds(3600))

    /// The wait after so many attempts.
    func delay(afterAttempts attempts: Int, using generator: inout some RandomNumberGenerator) -> Duration {
        var delay = first
        for _ in 1..<max(1, min(attempts, 64)) where delay < limit { delay *= 2 }
        return min(delay, limit) * Double.random(in: 0.8...1.2, using: &generator)
    }
}

/// When an item that was tried before gets another try.
enum AnotherTry {
    case now
    case later(StoreTime)
    /// Not in the life of this process.
    case never

    /// - Parameters:
    ///   - time: when it is due; nil: any time.
    ///   - triesOnce: whether this process tries each item once, whatever the time.
    ///   - hasTried: whether this process has tried the item as it is now.
    init(due time: StoreTime?, now: StoreTime, triesOnce: Bool, hasTried: Bool) {
        if triesOnce {
            self = hasTried ? .never : .now
        } else if let time, time > now {
            self = .later(time)
        } else {
            self = .now
        }
    }
}

/// How often an input is looked at although nothing happens.
enum Rescan {
    /// Without events for everything, it is looked at this often.
    static let pollInterval = Duration.seconds(5)

    /// When the next look is due.
    ///
    /// - Parameters:
    ///   - last: when the last one was.
    ///   - interval: the longest time between two.
    ///   - isWatched: whether events tell of every change; nil while that is not known.
    ///   - planned: when the plan wants one.
    static func next(after last: StoreTime, every interval: Duration, isWatched: Bool?, planned: StoreTime?)
        -> StoreTime
    {
        let rescan = last + (isWatched == false ? min(interval, pollInterval) : interval)
        return planned.map { min($0, rescan) } ?? rescan
    }
}
