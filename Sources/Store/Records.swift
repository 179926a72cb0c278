public import OCI

/// A layer's blob as the index and its sidecar know it.
public struct BlobRecord: Codable, Hashable, Sendable {
    /// The blob's key.
    public var key: LayerKey
    /// SHA-256 of the EROFS image.
    public var sha256: Digest
    /// Size of the EROFS image in bytes.
    public var size: UInt64
    /// Size of the uncompressed tar in bytes; about that of one that would hold the tree, where the layer came as an image.
    public var tarSize: UInt64
    /// Entries of the layer below its root, whiteouts included; a layer without any gets no disk.
    public var entries: Int
    /// Whether the root is opaque: nothing below this layer is attached.
    public var hasOpaqueRoot: Bool
    /// The lowest Linux version that mounts it, as `5.4`.
    public var minimumGuestKernel: String
    /// Who wrote it: `slipway 0.1.0`.
    public var writer: String
    /// The options it was written with, in one canonical line.
    public var options: String
    /// What the layer says about `/boot`.
    public var boot: BootListing
    /// What the layer leaves open until the layers below it are known; nil for one that is complete by itself.
    public var open: OpenLayer?

    /// Creates a record.
    public init(
        key: LayerKey,
        sha256: Digest,
        size: UInt64,
        tarSize: UInt64,
        entries: Int,
        hasOpaqueRoot: Bool,
        minimumGuestKernel: String,
        writer: String,
        options: String,
        boot: BootListing,
        open: OpenLayer? = nil
    ) {
        self.key = key
        self.sha256 = sha256
        self.size = size
        self.tarSize = tarSize
        self.entries = entries
        self.hasOpaqueRoot = hasOpaqueRoot
        self.minimumGuestKernel = minimumGuestKernel
        self.writer = writer
        self.options = options
        self.boot = boot
        self.open = open
    }
}

/// A layer that leaves something open until the layers below it are known: the attributes of folders that its entries
/// only imply, and where those folders are.
///
/// The note of its image says what. A blob whose key has an inheritance extends the plain one, which can be restored
/// from it: the plain image is its first ``plainSize`` bytes, but for the first block.
public struct OpenLayer: Codable, Hashable, Sendable {
    /// How many things are open.
    public var places: Int
    /// The size in bytes of the plain image, at whose end the note is.
    public var plainSize: UInt64
    /// The entries of the plain image.
    public var plainEntries: Int

    /// Creates a value.
    public init(places: Int, plainSize: UInt64, plainEntries: Int) {
        self.places = places
        self.plainSize = plainSize
        self.plainEntries = plainEntries
    }
}

/// What one layer says about `/boot`, enough to tell the merged view's kernels without mounting anything.
public struct BootListing: Codable, Hashable, Sendable {
    /// What the layer does to the folder `/boot` itself.
    public enum Folder: String, Codable, Sendable {
        /// Says nothing: what is below stays.
        case untouched
        /// Has the folder: its entries are merged over those below.
        case merged
        /// Hides what is below: an opaque folder, a whiteout, or something that is no folder.
        case replaced
    }

    /// One entry of `/boot` that may matter for booting.
    public struct Entry: Codable, Hashable, Sendable {
        /// What the entry is.
        public enum Kind: Codable, Hashable, Sendable {
            /// A regular file, kept in the store under its own name.
            case file(size: UInt64)
            /// A symbolic link and its target.
            case symbolicLink(target: String)
            /// A whiteout: the name is gone.
            case whiteout
            /// Anything else under such a name: hides what is below and boots nothing.
            case other
        }

        /// Its name in `/boot`.
        public var name: String
        /// What it is.
        public var kind: Kind

        /// Creates an entry.
        public init(name: String, kind: Kind) {
            self.name = name
            self.kind = kind
        }
    }

    /// What happens to the folder.
    public var folder: Folder
    /// The entries, sorted by name.
    public var entries: [Entry]

    /// Creates a listing.
    public init(folder: Folder = .untouched, entries: [Entry] = []) {
        self.folder = folder
        self.entries = entries
    }
}

/// An image: one platform's manifest and what it is made of.
public struct ImageRecord: Codable, Hashable, Sendable {
    /// A layer of an image.
    public struct Layer: Codable, Hashable, Sendable {
        /// The key of its blob.
        public var key: LayerKey
        /// The digest of the layer as the manifest lists it (often compressed).
        public var digest: Digest
        /// Its size as the manifest lists it.
        public var size: UInt64

        /// Creates a layer.
        public init(key: LayerKey, digest: Digest, size: UInt64) {
            self.key = key
            self.digest = digest
            self.size = size
        }
    }

    /// The digest of the platform's manifest: the image's identity.
    public var digest: Digest
    /// The manifest's bytes, as text.
    public var manifest: String
    /// The image config's digest, an alias of the image.
    public var configDigest: Digest
    /// The image config's bytes, as text.
    public var config: String
    /// Digests of indexes that led here; aliases of the image.
    public var indexDigests: [Digest]
    /// `linux/amd64`.
    public var platform: String
    /// The layers, bottom first.
    public var layers: [Layer]
    /// When the builder says it was made (RFC 3339); nothing where the config says nothing.
    public var created: String?

    /// Creates a record.
    public init(
        digest: Digest,
        manifest: String,
        configDigest: Digest,
        config: String,
        indexDigests: [Digest],
        platform: String,
        layers: [Layer],
        created: String?
    ) {
        self.digest = digest
        self.manifest = manifest
        self.configDigest = configDigest
        self.config = config
        self.indexDigests = indexDigests
        self.platform = platform
        self.layers = layers
        self.created = created
    }
}

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

/// An image with what refers to it.
public struct StoredImage: Hashable, Sendable, Codable {
    /// The image.
    public var record: ImageRecord
    /// The references that mean it now (the winning claims), sorted.
    public var references: [String]
    /// Sources that pin it, sorted.
    public var pins: [Source]
    /// Names of VMs bound to it, retired ones as `.retired/NAME-TIME`, sorted.
    public var boundVMs: [String]
    /// When the last pin went, on the store's clock; nil while something pins it.
    public var unpinnedAt: StoreTime?
    /// Bytes of all its blobs and boot files.
    public var size: UInt64

    /// Creates a value.
    public init(
        record: ImageRecord,
        references: [String],
        pins: [Source],
        boundVMs: [String],
        unpinnedAt: StoreTime?,
        size: UInt64
    ) {
        self.record = record
        self.references = references
        self.pins = pins
        self.boundVMs = boundVMs
        self.unpinnedAt = unpinnedAt
        self.size = size
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

/// A VM's binding to an image: its layers stay as long as the record does.
public struct VMRecord: Hashable, Sendable, Codable {
    /// `web-1`, or `.retired/web-1-20260101T000000Z` once retired: the folder's path below `vms/`.
    public var name: String
    /// The request file's name in the requests folder.
    public var request: String
    /// SHA-256 of the request last rendered.
    public var requestDigest: Digest
    /// The reference as the request wrote it.
    public var reference: String
    /// The image it is bound to.
    public var image: Digest
    /// The layers it is bound to, bottom first.
    public var keys: [LayerKey]
    /// The merged disk that it boots from, by ``MergedRecord/id``; nil for one that has a disk for each layer.
    public var merged: Digest?
    /// Since when the request is gone, on the store's clock.
    public var absentSince: StoreTime?
    /// Since when it is retired, on the store's clock.
    public var retiredAt: StoreTime?

    /// Creates a record.
    public init(
        name: String,
        request: String,
        requestDigest: Digest,
        reference: String,
        image: Digest,
        keys: [LayerKey],
        merged: Digest? = nil,
        absentSince: StoreTime? = nil,
        retiredAt: StoreTime? = nil
    ) {
        self.name = name
        self.request = request
        self.requestDigest = requestDigest
        self.reference = reference
        self.image = image
        self.keys = keys
        self.merged = merged
        self.absentSince = absentSince
        self.retiredAt = retiredAt
    }
}
