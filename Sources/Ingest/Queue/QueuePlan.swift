public import OCI
public import Store

/// What a pass would do about the queue. Lines about which nothing is to be done are only counted.
public struct QueuePlan: Sendable, Hashable, Codable {
    /// Why an image is pulled.
    public enum Reason: String, Sendable, Codable {
        /// It was not asked for before.
        case new
        /// It is asked for in another way than before.
        case changed
        /// The last try failed, or a retry was asked for.
        case retry
        /// It is time to look whether the tag moved.
        case refresh
        /// It was pulled, but its image is gone from the store.
        case imageMissing
    }

    /// A pull to run.
    public struct Pull: Sendable, Hashable, Codable {
        /// What is asked for.
        public var entry: QueueEntry
        /// Why.
        public var reason: Reason
        /// What is remembered of it.
        public var record: SourceRecord?
    }

    /// What is to be done about one line.
    public enum Action: Sendable, Hashable, Codable {
        /// Pull it.
        case pull(Pull)
        /// Stop the pull that runs: the line changed or went away.
        case cancel
        /// It was pulled, but its image is not pinned: pin it, or pull it again if it is gone.
        case restore(Pull, image: Digest)
        /// The line is gone: release what it claimed and pinned.
        case release(image: Digest?)
        /// Say that the line cannot be followed; its image stays as it is.
        case refuse(QueueProblem)
    }

    /// A line and what is to be done about it.
    public struct Decision: Sendable, Hashable, Codable {
        /// The line or wish.
        public var source: Source
        /// What is to be done.
        public var action: Action
    }

    /// What is to be remembered of the file itself.
    public struct FileChange: Sendable, Hashable, Codable {
        /// How it settled.
        public var identity: String
        /// Since when most of it is gone.
        public var heldSince: StoreTime?
    }

    /// Why nothing is concluded from what is missing; nil when all is well.
    public var pause: String?
    /// What is to be remembered of the file; nil for no change.
    public var fileChange: FileChange?
    /// What is to be done, in order.
    public var decisions: [Decision] = []
    /// Lines of which not even the reference can be told.
    public var problems: [QueueProblem] = []
    /// Lines that are as they should be.
    public var unchanged = 0
    /// When the plan has to be made anew although nothing happens; nil for no such time.
    public var nextLook: StoreTime?

    /// Whether there is nothing to be done or said.
    public var isEmpty: Bool { decisions.isEmpty && fileChange == nil && problems.isEmpty }

    mutating func look(at time: StoreTime) { nextLook = nextLook.map { min($0, time) } ?? time }
}

extension QueuePlan.Action: CustomStringConvertible {
    /// What is to be done, in words.
    public var description: String {
        switch self {
        case .pull(let pull):
            "pull (\(pull.reason.rawValue))" + (pull.entry.alias.map { " as \($0)" } ?? "")
        case .cancel: "stop the pull"
        case .restore(_, let image): "pin \(image) again"
        case .release(let image): image.map { "gone: release \($0)" } ?? "gone: forget"
        case .refuse(let problem): "refuse: \(problem.message)"
        }
    }
}
