import Store

/// What runs in the background for the items of an input, and what this process has tried of them.
///
/// A pass plans from a look that took a while. Of an item whose job ended meanwhile that look tells how it was before, so
/// nothing is done about it until the next.
struct BackgroundJobs<Item: Hashable & Sendable, Work: Sendable, Progress: Sendable> {
    /// A job that runs.
    struct Job {
        var work: Work
        /// How far it is.
        var progress: Progress
        var timings: Receipt.Timings
        fileprivate var task: Task<Void, Never>
        fileprivate var start: ContinuousClock.Instant
    }

    /// The jobs that run.
    private(set) var running: [Item: Job] = [:]
    /// The identities of the items that this process has tried.
    private(set) var tried: [Item: String] = [:]
    /// Items whose job ended since the last look began.
    private var ended: Set<Item> = []
    /// Whether nothing may be begun any more.
    private(set) var isStopping = false

    /// Whether a job ended that no look has seen.
    var hasNews: Bool { !ended.isEmpty }

    /// A look begins: it sees what has ended.
    mutating func beginLook() { ended = [] }

    /// Whether what the last look found of an item still holds.
    func isAsSeen(_ item: Item) -> Bool { !ended.contains(item) }

    /// Whether a job may be begun for an item.
    func mayBegin(_ item: Item) -> Bool { running[item] == nil && isAsSeen(item) }

    /// Notes a job that was begun.
    ///
    /// - Parameter identity: what the item is known by as it is now.
    mutating func begin(
        _ item: Item,
        as identity: String,
        _ work: Work,
        _ progress: Progress,
        _ timings: Receipt.Timings,
        task: Task<Void, Never>
    ) {
        tried[item] = identity
        running[item] = Job(work: work, progress: progress, timings: timings, task: task, start: .now)
    }

    /// How long a job has taken; nil where none runs.
    func timings(of item: Item) -> Receipt.Timings? {
        running[item].map { $0.timings.ended(since: $0.start) }
    }

    /// Notes that a job has ended.
    mutating func end(_ item: Item) {
        running[item] = nil
        ended.insert(item)
    }

    /// Asks a job to stop.
    func cancel(_ item: Item) { running[item]?.task.cancel() }

    /// Forgets that an item was tried.
    mutating func forget(_ item: Item) { tried[item] = nil }

    /// Forgets what was tried of all items but these.
    mutating func forget(except isThere: (Item) -> Bool) { tried = tried.filter { isThere($0.key) } }

    /// Asks all jobs to stop, and lets none begin any more.
    ///
    /// - Returns: what to wait for.
    mutating func stop() -> [Task<Void, Never>] {
        isStopping = true
        let tasks = running.values.map(\.task)
        for task in tasks { task.cancel() }
        return tasks
    }
}
