public import ImageBackend
public import OCI
public import Store

/// An image that a line of the queue asks for.
public struct QueueEntry: Sendable, Hashable, Codable {
    /// Who wants it: `queue/REF`.
    public var source: Source
    /// The reference, normalised.
    public var reference: Reference
    /// The platform; nil for the host's.
    public var platform: Platform?
    /// When the registry is asked.
    public var policy: PullRequest.Policy
    /// A further reference that shall mean the image.
    public var alias: Reference?
    /// How often a moved tag is looked for; nil for `queue.refresh`. Concerns the policy `always` only.
    public var refresh: Duration?
    /// Its line in the file, from 1; nil where no line asks for it.
    public var line: Int?
    /// Of a wish: whether somebody waits for it. What nobody waits for stays as it is.
    public var isNeeded = true
    /// Of a wish: for whom the registry is to be asked anew, sorted.
    public var asking: [String] = []

    /// Creates an entry; without a source of its own, it is one of the queue.
    public init(
        _ reference: Reference,
        source: Source? = nil,
        platform: Platform? = nil,
        policy: PullRequest.Policy = .ifNotPresent,
        alias: Reference? = nil,
        refresh: Duration? = nil,
        line: Int? = nil
    ) {
        self.source = source ?? .queue(reference.description)
        self.reference = reference
        self.platform = platform
        self.policy = policy
        self.alias = alias
        self.refresh = refresh
        self.line = line
    }

    /// Everything that the line says but its place, in one canonical line: a pull is remembered by it.
    public var identity: String {
        var parts = ["pull=\(policy.rawValue)"]
        if let platform { parts.append("platform=\(platform)") }
        if let alias { parts.append("as=\(alias)") }
        if !asking.isEmpty { parts.append("for=\(asking.joined(separator: ","))") }
        if let refresh { parts.append("refresh=\(refresh / .milliseconds(1))ms") }
        return parts.joined(separator: " ")
    }

    /// An image that is wanted beside the file; its pull is remembered under `requests/REF`.
    public static func wish(_ reference: Reference, isNeeded: Bool, asking: [String]) -> QueueEntry {
        var entry = QueueEntry(
            reference,
            source: .request(reference.description),
            policy: asking.isEmpty ? .ifNotPresent : .always
        )
        entry.isNeeded = isNeeded
        entry.asking = asking
        return entry
    }

    /// The references that it claims.
    public var references: [String] { [reference.description] + (alias.map { [$0.description] } ?? []) }
}

/// A line of the queue that asks for nothing that can be done.
public struct QueueProblem: Error, Sendable, Hashable, Codable {
    /// The line, from 1.
    public var line: Int
    /// What is wrong, with its place in the file and what would be right.
    public var message: String
    /// The reference that the line is about, where that much can be told: its image stays as it is.
    public var reference: Reference?

    /// Creates a problem.
    public init(line: Int, message: String, reference: Reference? = nil) {
        self.line = line
        self.message = message
        self.reference = reference
    }
}

/// A stable code of why a line of the queue is not followed, beside those of `ImageError.Code`.
public enum QueueCode {
    /// The line cannot be understood, or contradicts another.
    public static let invalidLine = "invalidLine"
    /// The file is still changing.
    public static let settling = "settling"
}

extension Source {
    /// An image that VM requests want from its registry.
    static func request(_ reference: String) -> Source { Source(rawValue: "\(requestPrefix)\(reference)") }

    /// What the written form of every line of the queue starts with.
    static let queuePrefix = "queue/"

    /// The queue file itself: how it was when it last settled, and since when most of it is gone. No reference is a
    /// period.
    static let queueFile = Source.queue(".")

    /// The reference that this source is a line of; nil for any other source.
    var queueReference: String? {
        guard rawValue.hasPrefix(Self.queuePrefix), self != .queueFile else { return nil }
        return String(rawValue.dropFirst(Self.queuePrefix.count))
    }
}
