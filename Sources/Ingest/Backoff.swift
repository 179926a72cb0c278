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
