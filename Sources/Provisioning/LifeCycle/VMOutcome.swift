/// What became of a step.
public struct VMOutcome: Sendable, Hashable, Codable {
    /// How a step ended.
    public enum Result: String, Sendable, Hashable, Codable {
        /// As planned.
        case done
        /// With an error: reason and message tell of it.
        case failed
        /// Not begun, for the world had changed; the next pass plans anew.
        case superseded
    }

    /// The VM's name.
    public var name: String
    /// What was to be done.
    public var action: VMPlan.Action
    /// How that ended.
    public var result: Result
    /// Where the VM stands now.
    public var phase: VMPhase
    /// Why.
    public var reason: VMReason
    /// Why, in words.
    public var message: String
}
