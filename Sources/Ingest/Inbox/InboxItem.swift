public import Host
public import OCI
public import Store

/// A stable code of why an item is not taken, beside those of `ImageError.Code`.
public enum InboxCode {
    /// It is still changing, or has not stood still for long enough.
    public static let settling = "settling"
    /// Someone has it open for writing.
    public static let beingWritten = "beingWritten"
    /// Files that its `layers` names are missing, or its sidecar is empty.
    public static let incomplete = "incomplete"
    /// `inbox.requireDigest` is set, and no digest is promised for it yet.
    public static let noDigest = "noDigest"
    /// The disk has less than the reserve free.
    public static let noSpace = "noSpace"
    /// Changes of the folder are not reported: it is looked at every few seconds.
    public static let polling = "polling"
    /// It is a symbolic link, a FIFO, a socket or a device.
    public static let notARegularFile = "notARegularFile"
    /// It may not be read.
    public static let unreadable = "unreadable"
    /// Its sidecar holds no digest for it.
    public static let invalidSidecar = "invalidSidecar"
    /// The file `layers` of an image folder cannot be understood.
    public static let invalidLayersFile = "invalidLayersFile"
    /// The image folder holds no tar file, or something that is none.
    public static let invalidFolder = "invalidFolder"
    /// Its name is no reference.
    public static let invalidReference = "invalidReference"
    /// `inbox.allowReferences` does not cover the reference.
    public static let referenceNotAllowed = "referenceNotAllowed"

    /// Codes of refusals that need no try: they follow from a look at the item, and no longer hold when another look
    /// says so.
    static let refusals: Set<String> = [
        notARegularFile, unreadable, invalidSidecar, invalidLayersFile, invalidFolder,
    ]

    /// Codes of failures that other settings, or another name, would mend.
    static let naming: Set<String> = [invalidReference, referenceNotAllowed]
}

/// A file or folder of the inbox as it lies there now.
public struct InboxItem: Sendable, Hashable, Codable {
    /// What stands between the item and its being taken.
    public enum Standing: Sendable, Hashable, Codable {
        /// Nothing.
        case settled
        /// It may be complete later; `until` is when to look again, nil: when something happens.
        case waiting(until: StoreTime?, code: String, message: String)
        /// It will not be taken as it is.
        case refused(code: String, message: String)
        /// It is no image and does not claim to be one.
        case leftAlone(message: String)
    }

    /// Its name in the inbox.
    public var name: String
    /// Inode, size and times; of a folder, made from those of its files.
    public var stamp: FileIdentity
    /// What is remembered of it once it is taken: the stamp, or the digest of the stamps of a folder's files.
    public var identity: String
    /// The digest that its sidecar promises.
    public var promisedDigest: Digest?
    /// Bytes of its files.
    public var size: UInt64
    /// Its tar files as paths relative to the inbox, bottom layer first.
    public var files: [String]
    /// The digests promised for the files, by position.
    public var fileDigests: [Digest?]
    /// Whether it is a folder that is an OCI layout; its one file is then the layout's `index.json`.
    public var isLayout = false
    /// What stands between it and its being taken.
    public var standing: Standing

    /// Creates an item.
    public init(
        name: String,
        stamp: FileIdentity,
        identity: String,
        promisedDigest: Digest? = nil,
        size: UInt64,
        files: [String],
        fileDigests: [Digest?] = [],
        standing: Standing
    ) {
        self.name = name
        self.stamp = stamp
        self.identity = identity
        self.promisedDigest = promisedDigest
        self.size = size
        self.files = files
        self.fileDigests = fileDigests
        self.standing = standing
    }
}
