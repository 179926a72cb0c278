public import SystemPackage

/// How the inbox behaves.
public struct InboxSettings: Sendable {
    /// What becomes of a file whose image is safely in the store.
    public enum OnSuccess: String, Sendable, Codable, CaseIterable {
        /// It stays: the inbox is desired state.
        case keep
        /// It is removed: the inbox is a spool, and the image is pinned by hand from then on.
        case remove
    }

    /// The folder, absolute.
    public var path: FilePath
    /// How long a file must stand still when no event vouches for it.
    public var settle: Duration
    /// How long a `NAME.image/` without a file `layers` must stand still; also how long an inbox that lost
    /// everything at one stroke must stay so before it is believed.
    public var folderSettle: Duration
    /// What becomes of a file whose image is safely in the store.
    public var onSuccess: OnSuccess
    /// The longest time between two looks at the folder.
    public var rescan: Duration
    /// Whether nothing is taken without a digest promised for it.
    public var requiresDigest: Bool
    /// Nothing is imported while the store's file system has fewer free bytes.
    public var reserve: UInt64
    /// Patterns of references that a drop may claim: `*` stands for any text, `?` for one character.
    public var allowReferences: [String]
    /// The folder of the receipts, absolute.
    public var receipts: FilePath
    /// How many imports run at once, at least 1.
    public var conversions: Int
    /// How long an image stays that nothing pins; for messages only.
    public var unpinnedTTL: Duration
    /// Try each item once in the life of this process: now, whatever its backoff says, and not again.
    public var triesOnce: Bool
    /// Whether a folder that everyone may write to is taken for an inbox.
    public var allowsWorldWritable: Bool

    /// Creates settings with the defaults of the configuration.
    public init(
        path: FilePath,
        settle: Duration = .seconds(2),
        folderSettle: Duration = .seconds(10),
        onSuccess: OnSuccess = .keep,
        rescan: Duration = .seconds(60),
        requiresDigest: Bool = false,
        reserve: UInt64 = 0,
        allowReferences: [String] = ["*"],
        receipts: FilePath,
        conversions: Int = 2,
        unpinnedTTL: Duration = .seconds(86400),
        triesOnce: Bool = false,
        allowsWorldWritable: Bool = false
    ) {
        self.path = path
        self.settle = settle
        self.folderSettle = folderSettle
        self.onSuccess = onSuccess
        self.rescan = rescan
        self.requiresDigest = requiresDigest
        self.reserve = reserve
        self.allowReferences = allowReferences
        self.receipts = receipts
        self.conversions = max(1, conversions)
        self.unpinnedTTL = unpinnedTTL
        self.triesOnce = triesOnce
        self.allowsWorldWritable = allowsWorldWritable
    }
}
