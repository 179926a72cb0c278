public import OCI
public import Store

/// What a pass would do about the inbox. Items about which nothing is to be done are only counted.
public struct InboxPlan: Sendable, Hashable, Codable {
    /// Why an item is imported.
    public enum Reason: String, Sendable, Codable {
        /// It was not there before.
        case new
        /// It is not what was imported.
        case changed
        /// The last try failed for a passing reason, or a retry was asked for.
        case retry
        /// It was imported, but its image is gone from the store.
        case imageMissing
    }

    /// An import to run.
    public struct Import: Sendable, Hashable, Codable {
        /// The item.
        public var item: InboxItem
        /// The reference that its name is; nil where it is none. An archive of images may have others.
        public var reference: String?
        /// Why its name is no reference.
        public var nameProblem: String?
        /// Why.
        public var reason: Reason
        /// What is remembered of it.
        public var record: SourceRecord?
    }

    /// What is to be done about one item.
    public enum Action: Sendable, Hashable, Codable {
        /// Import it.
        case importing(Import)
        /// Stop the import that runs: the item changed or went away.
        case cancel
        /// The item is taken, but does not pin its images: pin them, or import it again if one is gone.
        case restore(Import, images: [Digest])
        /// The item is taken and may leave the spool.
        case consume(InboxItem, images: [Digest])
        /// The item is gone: release what it claimed and pinned.
        case release(image: Digest?)
        /// Look again later.
        case wait(InboxItem, until: StoreTime?, code: String, message: String)
        /// Say that it will not be taken as it is.
        case refuse(InboxItem, code: String, message: String)
        /// Say that it is no image.
        case leaveAlone(message: String)
    }

    /// An item and what is to be done about it.
    public struct Decision: Sendable, Hashable, Codable {
        /// The item's name.
        public var item: String
        /// What is to be done.
        public var action: Action
    }

    /// What is to be remembered of the folder itself.
    public enum FolderChange: Sendable, Hashable, Codable {
        /// This is the inbox from now on.
        case accept(inode: UInt64, heldSince: StoreTime?)
    }

    /// Why nothing is concluded from what is missing; nil when all is well.
    public var pause: String?
    /// What is to be remembered of the folder; nil for no change.
    public var folderChange: FolderChange?
    /// What is to be done, in order.
    public var decisions: [Decision] = []
    /// Items that are as they should be.
    public var unchanged = 0
    /// When the plan has to be made anew although nothing happens; nil for no such time.
    public var nextLook: StoreTime?

    /// Whether there is nothing to be done, nor to be looked at again before something happens or `time` has come.
    func isQuiet(until time: StoreTime) -> Bool {
        pause == nil && folderChange == nil && nextLook.map { $0 > time } ?? true
            && decisions.allSatisfy { if case .leaveAlone = $0.action { true } else { false } }
    }

    /// Whether there is nothing to be done.
    public var isEmpty: Bool { decisions.isEmpty && folderChange == nil }

    /// What of the settled items waits for something that concerns all: a digest, room on the disk.
    var heldBack: [String: (code: String, message: String)] {
        var result: [String: (code: String, message: String)] = [:]
        for decision in decisions {
            guard case .wait(let item, _, let code, let message) = decision.action,
                case .settled = item.standing
            else { continue }
            result[item.name] = (code, message)
        }
        return result
    }

    mutating func look(at time: StoreTime) { nextLook = nextLook.map { min($0, time) } ?? time }
}

extension InboxPlan: CustomStringConvertible {
    /// One line per decision.
    public var description: String {
        var lines = decisions.map { "\($0.item): \($0.action)" }
        if let pause { lines.insert("inbox: \(pause)", at: 0) }
        if unchanged > 0 { lines.append("\(unchanged) unchanged") }
        return lines.joined(separator: "\n")
    }
}

extension InboxPlan.Action: CustomStringConvertible {
    /// What is to be done, in words.
    public var description: String {
        switch self {
        case .importing(let work):
            "import as \(work.reference ?? "the archive says") (\(work.reason.rawValue))"
        case .cancel: "stop the import"
        case .restore(_, let images): "pin \(Self.list(images)) again"
        case .consume(_, let images):
            "remove the file; by hand is pinned from then on: \(Self.list(images))"
        case .release(let image): image.map { "gone: release \($0)" } ?? "gone: forget"
        case .wait(_, _, let code, let message): "wait (\(code)): \(message)"
        case .refuse(_, let code, let message): "refuse (\(code)): \(message)"
        case .leaveAlone(let message): "leave alone: \(message)"
        }
    }

    private static func list(_ images: [Digest]) -> String {
        images.map(\.description).joined(separator: ", ")
    }
}
