import Store

/// Imports that wait for their turn, in an order that keeps a small new file from waiting behind thousands.
///
/// - There are two lanes by size. Large imports leave one of the jobs to the small ones, where there is more than
///   one, and get every fourth turn where both wait.
/// - Within a lane, turns go to the oldest and the newest in alternation: a file dropped after ten thousand others
///   is next but one, and the oldest is never forgotten.
///
/// The queue is replaced by each pass, so it holds no more than the folder does.
struct ImportQueue {
    /// From so many bytes on an import is large.
    static let largeSize: UInt64 = 256 << 20

    private struct Lane {
        var waiting: ArraySlice<InboxPlan.Import> = []
        var takesNewest = false

        mutating func next() -> InboxPlan.Import? {
            defer { takesNewest.toggle() }
            return takesNewest ? waiting.popLast() : waiting.popFirst()
        }
    }

    private var small = Lane()
    private var large = Lane()
    private var smallTurns = 0

    /// The lane of an import.
    static func isLarge(_ work: InboxPlan.Import) -> Bool { work.item.size >= largeSize }

    /// How many wait.
    var count: Int { small.waiting.count + large.waiting.count }

    /// What waits.
    var names: [String] { (small.waiting + large.waiting).map(\.item.name) }

    /// Replaces what waits; in order of arrival.
    mutating func replace(_ imports: [InboxPlan.Import]) {
        small.waiting = imports.filter { !Self.isLarge($0) }[...]
        large.waiting = imports.filter(Self.isLarge)[...]
    }

    /// Adds one.
    mutating func append(_ work: InboxPlan.Import) {
        if Self.isLarge(work) { large.waiting.append(work) } else { small.waiting.append(work) }
    }

    /// Takes the next import, given how many jobs run and how many of them are large; nil when none may start.
    mutating func next(running: Int, runningLarge: Int, limit: Int) -> InboxPlan.Import? {
        guard running < limit else { return nil }
        let largeMayStart = !large.waiting.isEmpty && runningLarge < max(1, limit - 1)
        if small.waiting.isEmpty || (largeMayStart && smallTurns >= 3) {
            guard largeMayStart else { return nil }
            smallTurns = 0
            return large.next()
        }
        if largeMayStart { smallTurns += 1 }
        return small.next()
    }
}
