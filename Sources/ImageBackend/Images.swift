public import GarbageCollection
public import Host
public import OCI
public import Store
public import SystemPackage

/// A backend that turns images into disks a VM can boot from.
public protocol Images: Sendable {
    /// A short name: `oci`.
    var type: String { get }

    /// Makes an image of a registry part of the store, asking the registry only as the request's policy says.
    func pull(_ request: PullRequest, tracker: any Tracker) async throws(ImageError) -> Image

    /// Imports local tar files as one image: several are its layers in order; one that is an archive of images
    /// is that image.
    func `import`(_ request: ImportRequest, tracker: any Tracker) async throws(ImageError) -> Image

    /// The same for every image of an archive of several, in one commit. What they are called is up to the request.
    func importAll(_ request: ImportRequest, tracker: any Tracker) async throws(ImageError) -> [Image]

    /// The image that a reference, normalised reference, digest, or unique digest prefix of 12 or more hex digits
    /// names; nil when there is none. An ambiguous prefix is an error that lists the matches.
    func inspect(_ query: String) async throws(ImageError) -> Image?

    /// Every image.
    func list() async throws(ImageError) -> [Image]

    /// Deletes images and returns the queries that matched; those that match nothing are logged and skipped.
    func delete(_ queries: [String]) async throws(ImageError) -> [String]

    /// The disks and boot files of each VM, in the order of `vms`.
    func config(_ vms: [VMImage]) async throws(ImageError) -> [VMConfiguration]

    /// The one disk that holds all layers of an image as a guest sees them. Made where it is not there, which takes as
    /// long as writing an image of that size; who asks for the same at the same time shares the work.
    ///
    /// - Parameter keys: the image's layers, bottom first, as ``VMConfiguration/keys`` has them.
    func mergedDisk(of image: Digest, keys: [LayerKey]) async throws(ImageError) -> MergedDisk

    /// The same disk if it is there, whole and within the guests' kernel; nothing is made.
    func presentMergedDisk(keys: [LayerKey]) async throws(ImageError) -> MergedDisk?

    /// What keeps a VM from booting with a kernel and an initramfs, or may: told by the files alone, before anyone tries.
    func bootFindings(_ vm: VMConfiguration, boot: BootConfig) async throws(ImageError) -> [BootFinding]

    /// The module that collects this backend's garbage.
    var gcModule: any Module { get }

    /// Registers the module.
    func registerGC(_ orchestrator: Orchestrator) async
}

extension Images {
    /// Nothing, in a backend that cannot tell.
    public func bootFindings(
        _ vm: VMConfiguration,
        boot: BootConfig
    ) async throws(ImageError) -> [BootFinding] { [] }

    /// The one image, where a backend knows no archives of several.
    public func importAll(_ request: ImportRequest, tracker: any Tracker) async throws(ImageError) -> [Image]
    {
        [try await self.import(request, tracker: tracker)]
    }
}

/// What to import and for whom.
public struct ImportRequest: Sendable {
    /// A tar file, or an OCI layout.
    public enum Input: Sendable {
        /// Opened when its turn comes; a symbolic link is refused.
        case path(FilePath)
        /// Open already, by someone who may read it.
        case open(File)
        /// A folder that is an OCI layout; its promised digest is that of its `index.json`.
        case layout(FilePath)

        /// Where it lies, for messages.
        public var path: FilePath {
            switch self {
            case .path(let path), .layout(let path): path
            case .open(let file): file.path
            }
        }
    }

    /// The reference the image gets, as written; a short name is one of `localhost/`.
    public var name: String
    /// The tar files, bottom layer first.
    public var inputs: [Input]
    /// Digests promised for the files, by position; a difference refuses the import.
    public var promisedDigests: [Digest?]
    /// Which image of an archive of several: a reference, tag or digest in it.
    public var select: String?
    /// How the images get their references; nil: the one image is called ``name``, whatever an archive calls it.
    public var naming: ImportNaming?
    /// Who wants it.
    public var source: Source

    /// Creates a request.
    public init(
        name: String,
        inputs: [Input],
        promisedDigests: [Digest?] = [],
        select: String? = nil,
        naming: ImportNaming? = nil,
        source: Source
    ) {
        self.name = name
        self.inputs = inputs
        self.promisedDigests = promisedDigests
        self.select = select
        self.naming = naming
        self.source = source
    }

    /// Where the files lie, bottom layer first.
    public var files: [FilePath] { inputs.map(\.path) }

    /// Creates a request for files by their paths.
    public init(name: String, files: [FilePath], promisedDigests: [Digest?] = [], source: Source) {
        self.init(
            name: name,
            inputs: files.map { .path($0) },
            promisedDigests: promisedDigests,
            source: source
        )
    }
}

/// What to pull and for whom.
public struct PullRequest: Sendable, Hashable {
    /// When the registry is asked.
    public enum Policy: String, Sendable, Codable, CaseIterable {
        /// Only when the store has no image of that name and platform.
        case ifNotPresent = "if-not-present"
        /// Always: a moved tag is followed. An image that did not change costs one request.
        case always
        /// Never: the image comes from elsewhere.
        case never
    }

    /// The image's reference, which is not of `localhost/`.
    public var reference: Reference
    /// The platform it is for; nil for the host's.
    public var platform: Platform?
    /// A further reference that shall mean the image.
    public var alias: Reference?
    /// When the registry is asked.
    public var policy: Policy
    /// Who wants it.
    public var source: Source

    /// Creates a request.
    public init(
        _ reference: Reference,
        platform: Platform? = nil,
        alias: Reference? = nil,
        policy: Policy = .always,
        source: Source
    ) {
        self.reference = reference
        self.platform = platform
        self.alias = alias
        self.policy = policy
        self.source = source
    }

    /// What is claimed for the image.
    public var references: [String] { [reference.description] + (alias.map { [$0.description] } ?? []) }
}

/// An image as the backend shows it. Encodes as the JSON of `slipway image inspect`.
public struct Image: Sendable, Hashable, Codable {
    /// A layer.
    public struct Layer: Sendable, Hashable, Codable {
        /// SHA-256 of the uncompressed tar.
        public var diffID: Digest
        /// The blob's key.
        public var key: LayerKey
        /// The digest the manifest lists.
        public var digest: Digest
        /// The blob's absolute path.
        public var path: String
        /// The blob's size in bytes.
        public var bytes: UInt64

        /// Creates a layer.
        public init(diffID: Digest, key: LayerKey, digest: Digest, path: String, bytes: UInt64) {
            self.diffID = diffID
            self.key = key
            self.digest = digest
            self.path = path
            self.bytes = bytes
        }
    }

    /// References that mean it now.
    public var references: [String]
    /// The platform manifest's digest.
    public var digest: Digest
    /// The config's digest.
    public var configDigest: Digest
    /// `linux/amd64`.
    public var platform: String
    /// Bottom first.
    public var layers: [Layer]
    /// The kernel's absolute path; nil when the image has none.
    public var kernel: String?
    /// The initramfs' absolute path; nil when the image has none.
    public var initrd: String?
    /// Bytes of blobs and boot files.
    public var size: UInt64
    /// When the builder says it was made.
    public var created: String?
    /// Who pins it.
    public var pins: [Source]
    /// VMs bound to it.
    public var boundVMs: [String]
    /// What came of reading the input, for a receipt; nil where nothing was read.
    public var imported: ImportReport?
    /// What came of pulling it, for a receipt; nil where it was not pulled just now.
    public var pulled: PullReport?

    /// Creates an image.
    public init(
        references: [String],
        digest: Digest,
        configDigest: Digest,
        platform: String,
        layers: [Layer],
        kernel: String?,
        initrd: String?,
        size: UInt64,
        created: String?,
        pins: [Source],
        boundVMs: [String],
        imported: ImportReport? = nil,
        pulled: PullReport? = nil
    ) {
        self.references = references
        self.digest = digest
        self.configDigest = configDigest
        self.platform = platform
        self.layers = layers
        self.kernel = kernel
        self.initrd = initrd
        self.size = size
        self.created = created
        self.pins = pins
        self.boundVMs = boundVMs
        self.imported = imported
        self.pulled = pulled
    }
}

/// What pulling an image came to, beyond the image itself.
public struct PullReport: Sendable, Hashable, Codable {
    /// What the reference means at the registry: the digest of an index or a manifest; nil where it was not asked.
    public var resolved: Digest?
    /// Whether the store had the image, and the source's claims and pin on it, before.
    public var isUnchanged: Bool
    /// Bytes of all layers as the registry has them.
    public var layerBytes: UInt64
    /// Bytes of layers that came over the network; what was there of an earlier try does not count.
    public var bytesFetched: UInt64
    /// Bytes of the blobs that this pull added; 0 when the store had all of them.
    public var bytesAdded: UInt64
    /// Bytes in the blobs that no file uses: data of entries that a later one replaced.
    public var deadBytes: UInt64
    /// What had to be left out, in words.
    public var warnings: [String]

    /// Creates a report.
    public init(
        resolved: Digest?,
        isUnchanged: Bool,
        layerBytes: UInt64 = 0,
        bytesFetched: UInt64 = 0,
        bytesAdded: UInt64 = 0,
        deadBytes: UInt64 = 0,
        warnings: [String] = []
    ) {
        self.resolved = resolved
        self.isUnchanged = isUnchanged
        self.layerBytes = layerBytes
        self.bytesFetched = bytesFetched
        self.bytesAdded = bytesAdded
        self.deadBytes = deadBytes
        self.warnings = warnings
    }
}

/// What importing an image came to, beyond the image itself.
public struct ImportReport: Sendable, Hashable, Codable {
    /// SHA-256 of the bytes of each input file, in order.
    public var inputDigests: [Digest]
    /// The references that were claimed for it.
    public var claimed: [String]
    /// Bytes read from the input.
    public var bytesRead: UInt64
    /// Bytes of the blobs that this import added; 0 when the store had all of them.
    public var bytesAdded: UInt64
    /// Bytes in the blobs that no file uses: data of entries that a later one replaced.
    public var deadBytes: UInt64
    /// What had to be left out, in words.
    public var warnings: [String]

    /// Creates a report.
    public init(
        inputDigests: [Digest],
        claimed: [String] = [],
        bytesRead: UInt64,
        bytesAdded: UInt64,
        deadBytes: UInt64,
        warnings: [String]
    ) {
        self.inputDigests = inputDigests
        self.claimed = claimed
        self.bytesRead = bytesRead
        self.bytesAdded = bytesAdded
        self.deadBytes = deadBytes
        self.warnings = warnings
    }
}

/// Which image a VM boots from.
public struct VMImage: Sendable {
    /// What the VM boots from.
    public enum Selection: Sendable {
        /// Whatever the query names now.
        case query(String)
        /// The layers it is bound to.
        case bound(image: Digest, keys: [LayerKey])
    }

    /// The VM's name, for errors.
    public var name: String
    /// What it boots from.
    public var selection: Selection

    /// Creates a value.
    public init(name: String, selection: Selection) {
        self.name = name
        self.selection = selection
    }
}

/// What a VM needs of its image.
public struct VMConfiguration: Sendable, Hashable {
    /// The image's digest.
    public var image: Digest
    /// All layers' keys, bottom first: what the VM is bound to.
    public var keys: [LayerKey]
    /// The disks to attach, bottom first: no layer without entries, a repeated layer once (topmost), nothing below
    /// an opaque root.
    public var storage: [StorageConfig]
    /// Kernel and initramfs from the image; nil when the image has no pair of them.
    public var boot: BootConfig?
    /// The image config's bytes (OCI JSON).
    public var imageConfig: String

    /// Creates a configuration.
    public init(
        image: Digest,
        keys: [LayerKey],
        storage: [StorageConfig],
        boot: BootConfig?,
        imageConfig: String
    ) {
        self.image = image
        self.keys = keys
        self.storage = storage
        self.boot = boot
        self.imageConfig = imageConfig
    }
}

/// A disk of an image.
public struct StorageConfig: Sendable, Hashable, Codable {
    /// Absolute path of the EROFS image.
    public var path: FilePath
    /// Always true for layers.
    public var isReadOnly: Bool
    /// `layer0` (bottom) to `layerN`, or `merged`.
    public var serial: String

    /// Creates a disk.
    public init(path: FilePath, isReadOnly: Bool, serial: String) {
        self.path = path
        self.isReadOnly = isReadOnly
        self.serial = serial
    }
}

/// A disk that holds all layers of an image.
public struct MergedDisk: Sendable, Hashable {
    /// What a binding names it by: ``MergedRecord/id``.
    public var id: Digest
    /// How it is attached: serial `merged`, read-only.
    public var storage: StorageConfig
    /// The size in bytes.
    public var bytes: UInt64

    /// Creates a value.
    public init(id: Digest, storage: StorageConfig, bytes: UInt64) {
        self.id = id
        self.storage = storage
        self.bytes = bytes
    }
}

/// What a VM boots.
public struct BootConfig: Sendable, Hashable, Codable {
    /// Absolute path of the kernel.
    public var kernelPath: FilePath
    /// Absolute path of the initramfs.
    public var initrdPath: FilePath

    /// Creates a value.
    public init(kernelPath: FilePath, initrdPath: FilePath) {
        self.kernelPath = kernelPath
        self.initrdPath = initrdPath
    }
}
