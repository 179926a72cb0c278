public import SystemPackage

/// How the queue behaves.
public struct QueueSettings: Sendable {
    /// The file, absolute.
    public var path: FilePath
    /// How long it must stand still when no event vouches for it.
    public var settle: Duration
    /// How often moved tags are looked for, where a line does not say.
    public var refresh: Duration
    /// How long most of the lines must be gone before that is believed.
    public var removeGrace: Duration
    /// The longest time between two looks at the file.
    public var rescan: Duration
    /// The folder of the receipts, absolute.
    public var receipts: FilePath
    /// How many images are pulled at once, at least 1.
    public var pulls: Int
    /// How long an image stays that nothing pins; for messages only.
    public var unpinnedTTL: Duration
    /// Try each line once in the life of this process: now, whatever its backoff says, and not again.
    public var triesOnce: Bool
    /// Whether a file that everyone may write to is taken for a queue.
    public var allowsWorldWritable: Bool

    /// Creates settings with the defaults of the configuration.
    public init(
        path: FilePath,
        settle: Duration = .seconds(2),
        refresh: Duration = .seconds(3600),
        removeGrace: Duration = .seconds(600),
        rescan: Duration = .seconds(60),
        receipts: FilePath,
        pulls: Int = 32,
        unpinnedTTL: Duration = .seconds(86400),
        triesOnce: Bool = false,
        allowsWorldWritable: Bool = false
    ) {
        self.path = path
        self.settle = settle
        self.refresh = refresh
        self.removeGrace = removeGrace
        self.rescan = rescan
        self.receipts = receipts
        self.pulls = max(1, pulls)
        self.unpinnedTTL = unpinnedTTL
        self.triesOnce = triesOnce
        self.allowsWorldWritable = allowsWorldWritable
    }
}
