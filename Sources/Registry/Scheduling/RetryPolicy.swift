import Host

/// How often and after which waits a request is tried again within one call.
///
/// Waits longer than ``patience`` are left to the caller, who has better things to do meanwhile.
public struct RetryPolicy: Sendable {
    /// Tries in all without any progress between them.
    public var attempts: Int
    /// The wait after the first failure; doubled with each.
    public var firstDelay: Duration
    /// The longest wait of our own choosing.
    public var longestDelay: Duration
    /// The longest wait that a registry asks for (Retry-After) and gets within the call.
    public var patience: Duration

    /// Creates a policy.
    public init(
        attempts: Int = 4,
        firstDelay: Duration = .milliseconds(500),
        longestDelay: Duration = .seconds(15),
        patience: Duration = .seconds(20)
    ) {
        self.attempts = attempts
        self.firstDelay = firstDelay
        self.longestDelay = longestDelay
        self.patience = patience
    }

    /// The wait after so many failures in a row, of which there is at least one: between half and all of the doubled
    /// delay, so that many who failed together do not come back together.
    func delay(afterFailures failures: Int, random: Double) -> Duration {
        var delay = firstDelay
        for _ in 1..<max(1, min(failures, 32)) where delay < longestDelay { delay *= 2 }
        return min(delay, longestDelay) * (0.5 + 0.5 * random)
    }
}

/// Time and chance, which tests replace.
public struct TimeSource: Sendable {
    /// Nanoseconds on a clock that never steps.
    public var now: @Sendable () -> Int64
    /// Seconds since 1970, to read dates against.
    public var date: @Sendable () -> Int64
    /// Waits.
    public var sleep: @Sendable (Duration) async throws -> Void
    /// A number from 0 up to 1.
    public var random: @Sendable () -> Double

    /// Creates a source of time.
    public init(
        now: @escaping @Sendable () -> Int64,
        date: @escaping @Sendable () -> Int64,
        sleep: @escaping @Sendable (Duration) async throws -> Void,
        random: @escaping @Sendable () -> Double
    ) {
        self.now = now
        self.date = date
        self.sleep = sleep
        self.random = random
    }

    /// The machine's.
    public static let system = TimeSource(
        now: { MonotonicTime.now() },
        date: { WallTime.seconds() },
        sleep: { try await Task.sleep(for: $0) },
        random: { Double.random(in: 0..<1) }
    )
}
