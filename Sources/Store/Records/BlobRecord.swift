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
