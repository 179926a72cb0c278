public import OCI
public import Store

/// What a pass would do about VMs, made from an observation alone. Steps are in the order to be done in; a VM about
/// which nothing is to be done or said anew is not listed.
public struct VMPlan: Sendable, Hashable, Codable {
    /// What to do about a VM.
    public enum Action: String, Sendable, Hashable, Codable {
        /// Move the folder of a VM that is retired in the index already.
        case finishRetiring
        /// Render its first config: binds it and makes its disk.
        case create
        /// Render its config anew.
        case render
        /// Retire what is there and render its first config on the image that is wanted now.
        case recreate
        /// Write down that its request is gone, or is back.
        case markAbsent, markPresent
        /// Move folder and binding to the retired ones.
        case retire
        /// Delete folder and binding.
        case delete
        /// Remove a folder that never came to a config.
        case forget
        /// Nothing but to say how it stands.
        case report
    }

    /// What to do about one VM, and how it stands.
    public struct Step: Sendable, Hashable, Codable {
        /// The VM's name; for `finishRetiring` the retired binding's.
        public var name: String
        /// What to do.
        public var action: Action
        /// Where it stands once that is done.
        public var phase: VMPhase
        /// Why.
        public var reason: VMReason
        /// Why, in words.
        public var message: String
        /// The request file.
        public var file: String?
        /// SHA-256 of the request.
        public var requestDigest: Digest?
        /// The image's reference, as the request writes it.
        public var reference: String?
        /// The image that the reference means now.
        public var wanted: Digest?
        /// What may keep it from booting; nil to leave what was said.
        public var warnings: [String]?
        /// Names of its generated files that were removed or changed since they were written.
        public var damaged: [String] = []
        /// When something is due without anything changing, on the store's clock.
        public var due: StoreTime?
    }

    /// A request file that no VM stands for.
    public struct FileProblem: Sendable, Hashable, Codable {
        /// The file's name.
        public var file: String
        /// The code.
        public var reason: VMReason
        /// In words.
        public var message: String
    }

    /// When it was made, on the store's clock.
    public var now: StoreTime
    /// What to do, in order.
    public var steps: [Step] = []
    /// Request files that no VM stands for.
    public var problems: [FileProblem] = []
    /// Why nothing is planned although there may be something to do.
    public var unavailable: String?
    /// The earliest time at which a grace ends, on the store's clock.
    public var nextDue: StoreTime?

    /// Nothing to do.
    public init(now: StoreTime) { self.now = now }
}
