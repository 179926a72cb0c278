/// One kind of thing that can be collected, for instance images with their blobs, or retired VMs.
///
/// The orchestrator asks every module for a snapshot first, then lets each resolve what is garbage in the light of
/// all snapshots, and only then collects. Collecting checks again under the module's own transaction.
public protocol Module: Sendable {
    /// What `snapshot` returns and `resolve` reads: everything about roots and candidates, as of one moment.
    associatedtype Snapshot: Sendable

    /// A short name: `images`, `vms`.
    var name: String { get }

    /// Reads the module's state. Any error stops the whole collection: with one root source unreadable,
    /// nothing is garbage for certain.
    func snapshot() async throws -> Snapshot

    /// Names what is garbage, without side effects. `others` holds every module's snapshot under its name.
    func resolve(_ snapshot: Snapshot, others: Snapshots) throws -> [Candidate]

    /// How long until something becomes garbage by time alone, where nothing changes meanwhile; nil when nothing will.
    func untilDue(_ snapshot: Snapshot) -> Duration?

    /// Deletes candidates, each only if it still is garbage.
    func collect(_ candidates: [Candidate]) async throws -> [Collected]
}

extension Module {
    /// Nothing, in a module to which time does not matter.
    public func untilDue(_ snapshot: Snapshot) -> Duration? { nil }
}

/// Every module's snapshot under the module's name.
public struct Snapshots: Sendable {
    private var values: [String: any Sendable] = [:]

    /// No snapshots.
    public init() {}

    /// The snapshot of a module, if it is of that type.
    public func snapshot<Value: Sendable>(of module: String, as type: Value.Type = Value.self) -> Value? {
        values[module] as? Value
    }

    mutating func insert(_ value: any Sendable, of module: String) { values[module] = value }
}

/// Something that looks like garbage, and why.
public struct Candidate: Sendable, Hashable, Codable {
    /// What kind of thing: `image`, `blob`, `boot`, `vm`.
    public var kind: String
    /// Its identity within its kind: a digest, a key, a name.
    public var id: String
    /// Why nothing needs it, in words.
    public var reason: String
    /// Bytes that deleting it frees.
    public var bytes: UInt64
    /// Whether it goes before its grace has ended, because space is short.
    public var isEarly: Bool

    /// Creates a candidate.
    public init(kind: String, id: String, reason: String, bytes: UInt64, isEarly: Bool = false) {
        self.kind = kind
        self.id = id
        self.reason = reason
        self.bytes = bytes
        self.isEarly = isEarly
    }
}

/// What was deleted.
public struct Collected: Sendable, Hashable, Codable {
    /// What it was.
    public var candidate: Candidate
    /// Bytes that were freed.
    public var bytes: UInt64

    /// Creates a value.
    public init(candidate: Candidate, bytes: UInt64) {
        self.candidate = candidate
        self.bytes = bytes
    }
}
