public import OCI

/// Who wants an image: `inbox/web.tar`, `queue/docker.io/library/nginx:1.27`, or `hand` for the command line.
public struct Source: Hashable, Sendable, Codable, RawRepresentable, CustomStringConvertible {
    /// The written form.
    public let rawValue: String
    /// Wraps the written form.
    public init(rawValue: String) { self.rawValue = rawValue }
    /// An item of the inbox.
    public static func inbox(_ item: String) -> Source { Source(rawValue: "inbox/\(item)") }
    /// A line of the queue.
    public static func queue(_ reference: String) -> Source { Source(rawValue: "queue/\(reference)") }
    /// The command line.
    public static let hand = Source(rawValue: "hand")
    /// The written form.
    public var description: String { rawValue }
}

/// A source's wish that a reference means an image.
public struct Claim: Hashable, Sendable, Codable {
    /// The normalised reference.
    public var reference: String
    /// Who claims it.
    public var source: Source
    /// The image it shall mean.
    public var image: Digest
    /// Grows with every claim made; the newest of one kind of source wins.
    public var sequence: Int64

    /// Creates a claim.
    public init(reference: String, source: Source, image: Digest, sequence: Int64 = 0) {
        self.reference = reference
        self.source = source
        self.image = image
        self.sequence = sequence
    }
}

/// What became of a source's item: the memory that keeps an unchanged file from being imported again.
public struct SourceRecord: Hashable, Sendable, Codable {
    /// Where the item stands.
    public enum State: String, Codable, Sendable { case waiting, running, done, failed }

    /// The item.
    public var source: Source
    /// Inode, size, mtime and ctime of what was read, in one line; the device number is left out (it may change).
    public var identity: String
    /// SHA-256 of the bytes that were read, of a folder: of its files' digests.
    public var digest: Digest?
    /// The image that came of it; of an archive of several images the first.
    public var image: Digest?
    /// The other images of an archive of several.
    public var furtherImages: [Digest] = []
    /// Where it stands.
    public var state: State
    /// Tries so far.
    public var attempts: Int
    /// When it may be tried again, on the store's clock; nil: not before the item changes.
    public var nextTry: StoreTime?
    /// A stable code of the last error.
    public var errorCode: String?
    /// The last error in words.
    public var message: String?
    /// Since when the item is gone, on the store's clock.
    public var absentSince: StoreTime?

    /// Every image that came of it.
    public var images: [Digest] { (image.map { [$0] } ?? []) + furtherImages }

    /// Creates a record.
    public init(
        source: Source,
        identity: String,
        digest: Digest? = nil,
        image: Digest? = nil,
        furtherImages: [Digest] = [],
        state: State,
        attempts: Int = 0,
        nextTry: StoreTime? = nil,
        errorCode: String? = nil,
        message: String? = nil,
        absentSince: StoreTime? = nil
    ) {
        self.source = source
        self.identity = identity
        self.digest = digest
        self.image = image
        self.furtherImages = furtherImages
        self.state = state
        self.attempts = attempts
        self.nextTry = nextTry
        self.errorCode = errorCode
        self.message = message
        self.absentSince = absentSince
    }
}
