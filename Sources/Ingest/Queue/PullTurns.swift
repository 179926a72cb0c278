import OCI
import Store

/// Pulls that wait for their turn: in the order given, except that no registry takes all turns, so that one that hangs
/// does not hold up the others.
///
/// Replaced by each pass, so it holds no more than the queue does.
struct PullTurns {
    private let limit: Int
    private var waiting: ArraySlice<QueuePlan.Pull> = []

    /// - Parameter limit: how many pulls run at once.
    init(limit: Int) { self.limit = limit }

    /// How many wait.
    var count: Int { waiting.count }

    /// What waits.
    var sources: Set<Source> { Set(waiting.map(\.entry.source)) }

    /// Replaces what waits. What was never tried comes before what failed.
    mutating func replace(_ pulls: [QueuePlan.Pull]) {
        let isRetry = { (pull: QueuePlan.Pull) in (pull.record?.attempts ?? 0) > 0 && pull.reason == .retry }
        waiting = (pulls.filter { !isRetry($0) } + pulls.filter(isRetry))[...]
    }

    /// Takes the next pull, given the registries of those that run; nil when none may start.
    mutating func next(running registries: [String]) -> QueuePlan.Pull? {
        guard registries.count < limit else { return nil }
        var counts: [String: Int] = [:]
        for registry in registries { counts[registry, default: 0] += 1 }
        let share = max(1, limit - limit / 4)
        let index = waiting.firstIndex { counts[$0.entry.reference.domain, default: 0] < share }
        guard let index else { return nil }
        return waiting.remove(at: index)
    }
}
