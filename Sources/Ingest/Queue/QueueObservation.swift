public import OCI
public import Store

/// What the queue, the store's memory of it, and the running jobs look like at one moment.
public struct QueueObservation: Sendable {
    /// How the file was found.
    public enum File: Sendable, Hashable {
        /// It is there, as it has settled.
        case settled(QueueFile, identity: String)
        /// It is there and may still be being written: its whole lines count, what is missing does not.
        case settling(QueueFile, until: StoreTime)
        /// It is not there.
        case absent
        /// It cannot be read, or must not be trusted; why.
        case refused(String)

        /// What it asks for; nil where that cannot be told.
        public var content: QueueFile? {
            switch self {
            case .settled(let content, _), .settling(let content, _): content
            case .absent, .refused: nil
            }
        }
    }

    /// When, on the store's clock.
    public var now: StoreTime
    /// The file.
    public var file: File
    /// What is wanted beside the file; nil while that is not known.
    public var wishes: [QueueEntry]?
    /// What is remembered of each line and wish.
    public var records: [Source: SourceRecord]
    /// What is remembered of the file itself.
    public var fileRecord: SourceRecord?
    /// The images that each line and wish pins.
    public var pins: [Source: Set<Digest>]
    /// The identities of the entries that jobs are working on.
    public var running: [Source: String]
    /// The identities of the entries that this process has tried already.
    public var tried: [Source: String]
    /// How the queue behaves.
    public var settings: QueueSettings

    /// Creates an observation.
    public init(
        now: StoreTime,
        file: File,
        wishes: [QueueEntry]? = nil,
        records: [Source: SourceRecord] = [:],
        fileRecord: SourceRecord? = nil,
        pins: [Source: Set<Digest>] = [:],
        running: [Source: String] = [:],
        tried: [Source: String] = [:],
        settings: QueueSettings
    ) {
        self.now = now
        self.file = file
        self.wishes = wishes
        self.records = records
        self.fileRecord = fileRecord
        self.pins = pins
        self.running = running
        self.tried = tried
        self.settings = settings
    }
}
