public import GarbageCollection
public import Store

/// What one pass found and did.
public struct PassReport: Sendable {
    /// A part that could not be reconciled, or the collection.
    public struct PartError: Sendable, Hashable {
        /// The part's name; `gc` for the collection, `store` for the index.
        public var part: String
        /// In words.
        public var message: String
    }

    /// Where each part stands, by name.
    public var outcomes: [String: Outcome] = [:]
    /// Parts that could not be reconciled.
    public var errors: [PartError] = []
    /// What was collected; nil where the collection could not run, or had nothing to find.
    public var collection: Orchestrator.Report?
    /// When a collection is worth running although nothing changes, on the store's clock; nil where none could run.
    public var collectionDue: StoreTime?
    /// The store's clock at the start; nil where it could not be read.
    public var now: StoreTime?
    /// How long it took.
    public var duration = Duration.zero

    /// A pass that found nothing.
    public init() {}

    /// What failed, over all parts.
    public var failures: [Outcome.Finding] { outcomes.sorted { $0.key < $1.key }.flatMap(\.value.failures) }
    /// What is under way, over all parts.
    public var underway: [Outcome.Finding] { outcomes.sorted { $0.key < $1.key }.flatMap(\.value.underway) }
    /// What waits for something else, over all parts.
    public var waiting: [Outcome.Finding] { outcomes.sorted { $0.key < $1.key }.flatMap(\.value.waiting) }

    /// How long until the next look that some part asked for, or the next collection.
    public var untilNextLook: Duration? {
        let looks = outcomes.values.compactMap(\.nextLook) + [collectionDue].compactMap(\.self)
        guard let now, let next = looks.min() else { return nil }
        return next - now
    }

    /// Whether nothing is under way any more.
    public var isSettled: Bool { underway.isEmpty }

    /// Whether everything is as the inputs want it.
    public var isComplete: Bool { errors.isEmpty && failures.isEmpty && underway.isEmpty && waiting.isEmpty }
}

/// What came of the collection in a pass.
public struct CollectionOutcome: Sendable, Hashable {
    /// What it found and did; nil where there was nothing to find.
    public var report: Orchestrator.Report?
    /// When the next is worth running although nothing changes, on the store's clock; nil for no such time.
    public var due: StoreTime?

    /// Creates an outcome.
    public init(report: Orchestrator.Report? = nil, due: StoreTime? = nil) {
        self.report = report
        self.due = due
    }
}
