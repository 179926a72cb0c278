public import OCI
public import Store
public import SystemPackage

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
