public import Store

/// A part of the host that passes keep as its input wants it: the inbox, the VMs.
public protocol Part: Sendable {
    /// A short name for logs and status: `inbox`, `vms`.
    var name: String { get }

    /// Observes and plans without side effects: what a pass would do now.
    func preview(now: StoreTime) async throws -> [PlannedStep]

    /// Observes, plans and applies. Long work is started, not waited for; its end triggers another pass.
    func reconcile(now: StoreTime) async throws -> Outcome

    /// Cancels what runs and returns when nothing does.
    func stop() async
}

/// What a pass would do to one thing.
public struct PlannedStep: Sendable, Hashable, Codable {
    /// The part.
    public var part: String
    /// What it concerns: `inbox/web.tar`, `vm/web-1`.
    public var item: String
    /// What would be done: `import`, `render`, `retire`.
    public var action: String
    /// Why, or what exactly.
    public var detail: String

    /// Creates a step.
    public init(part: String, item: String, action: String, detail: String) {
        self.part = part
        self.item = item
        self.action = action
        self.detail = detail
    }
}

/// Where a part stands after a pass.
public struct Outcome: Sendable, Hashable {
    /// Something that is not as its input wants it.
    public struct Finding: Sendable, Hashable, Codable {
        /// What it concerns: `inbox/web.tar`, `vm/web-1`.
        public var item: String
        /// A stable code.
        public var code: String
        /// In words.
        public var message: String

        /// Creates a finding.
        public init(item: String, code: String, message: String) {
            self.item = item
            self.code = code
            self.message = message
        }
    }

    /// What failed, or will not come right by itself.
    public var failures: [Finding] = []
    /// What is under way and ends by itself soon: files that settle, jobs that run.
    public var underway: [Finding] = []
    /// What waits for something else: an image, a grace, a later try.
    public var waiting: [Finding] = []
    /// When to look again at the latest, on the store's clock.
    public var nextLook: StoreTime?

    /// Nothing to report.
    public init() {}
}
