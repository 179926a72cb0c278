import GarbageCollection
import Store

/// Collects in passes where a collection may find something that the one before did not: reading all images and VMs costs
/// more than the rest of a pass in which nothing changed.
///
/// It does so at first; when the index has changed, by whichever process; while someone works in the store, or something
/// could not be collected; when the time of something has come; when space has become short; and every hour whatever happened, for what no index tells
/// of, such as files that were put into the store by hand.
actor Collecting {
    /// The longest time between two collections.
    static let interval = Duration.seconds(3600)

    private let store: Store
    private let orchestrator: Orchestrator
    private let isSpaceShort: @Sendable () async throws -> Bool
    /// The index and the space as they were before a collection that found nothing, and when the next is due all the same.
    private var last: (changes: StoreChanges, isShort: Bool, due: StoreTime)?

    init(
        _ store: Store,
        _ orchestrator: Orchestrator,
        isSpaceShort: @escaping @Sendable () async throws -> Bool
    ) {
        self.store = store
        self.orchestrator = orchestrator
        self.isSpaceShort = isSpaceShort
    }

    /// Collects if it may find something, in a pass that began at `now`.
    func pass(now: StoreTime) async throws -> CollectionOutcome {
        // All are asked before: what comes in between shows the next time.
        let changes = store.changes
        let isBusy = try await store.hasWorkInFlight()
        let isShort = try await isSpaceShort()
        if let last, last.changes == changes, now < last.due, !isBusy, last.isShort || !isShort {
            return CollectionOutcome(due: last.due)
        }
        last = nil
        let report = try await orchestrator.run()
        let due = now + min(Self.interval, report.untilDue ?? Self.interval)
        if report.candidates.isEmpty, !isBusy { last = (changes, isShort, due) }
        return CollectionOutcome(report: report, due: due)
    }
}
