public import OCI
public import Store

/// What the inbox, the store's memory of it, and the running jobs look like at one moment.
public struct InboxObservation: Sendable {
    /// How the folder was found.
    public enum Folder: Sendable, Hashable {
        /// It is there.
        case present(inode: UInt64)
        /// It is not there.
        case absent
        /// It cannot be read, or must not be trusted; why.
        case refused(String)
    }

    /// When, on the store's clock.
    public var now: StoreTime
    /// The folder.
    public var folder: Folder
    /// What lies in it, in order of arrival.
    public var items: [InboxItem]
    /// What is remembered of each item, by name.
    public var records: [String: SourceRecord]
    /// What is remembered of the folder itself.
    public var folderRecord: SourceRecord?
    /// The images that each item pins.
    public var pins: [String: Set<Digest>]
    /// The identities that jobs are working on, by name.
    public var running: [String: String]
    /// The identities that this process has tried already, by name.
    public var tried: [String: String]
    /// Why nothing may be imported now: the disk is too full. Nil when it is not.
    public var shortage: String?
    /// How the inbox behaves.
    public var settings: InboxSettings

    /// Creates an observation.
    public init(
        now: StoreTime,
        folder: Folder,
        items: [InboxItem],
        records: [String: SourceRecord],
        folderRecord: SourceRecord?,
        pins: [String: Set<Digest>],
        running: [String: String] = [:],
        tried: [String: String] = [:],
        shortage: String? = nil,
        settings: InboxSettings
    ) {
        self.now = now
        self.folder = folder
        self.items = items
        self.records = records
        self.folderRecord = folderRecord
        self.pins = pins
        self.running = running
        self.tried = tried
        self.shortage = shortage
        self.settings = settings
    }
}

extension Source {
    /// The inbox folder itself: its inode, since when it has been empty, whether it is polled (error code and message)
    /// and how often events were lost (attempts). No item has a name that starts with a
    /// period.
    public static let inboxFolder = Source.inbox(".")

    /// What the written form of every item of the inbox starts with.
    static let inboxPrefix = "inbox/"

    /// The item of the inbox that this source is; nil for any other source.
    var inboxItem: String? {
        rawValue.hasPrefix(Self.inboxPrefix) ? String(rawValue.dropFirst(Self.inboxPrefix.count)) : nil
    }
}
