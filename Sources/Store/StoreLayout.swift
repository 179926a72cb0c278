import Host
public import OCI
public import SystemPackage

/// Where everything in a store lies; the one place that knows.
public struct StoreLayout: Sendable, Hashable {
    /// The store's folder, absolute.
    public let root: FilePath

    /// A layout below a folder.
    public init(root: FilePath) { self.root = root }

    /// The SQLite index.
    public var database: FilePath { root.appending("index.db") }
    /// Work in flight: a folder per workspace.
    public var temp: FilePath { root.appending("temp") }
    /// Downloads to resume.
    public var partial: FilePath { root.appending("partial") }
    /// What the collector is about to delete.
    public var trash: FilePath { root.appending("trash") }
    /// Layer blobs, below their algorithm and first two digits.
    public var blobs: FilePath { root.appending("blobs").appending("sha256") }
    /// Kernels and initramfs, a folder per layer.
    public var boot: FilePath { root.appending("boot").appending("sha256") }
    /// Manifests, configs and what refers to them.
    public var images: FilePath { root.appending("images").appending("sha256") }
    /// Disks that hold several layers.
    public var merged: FilePath { root.appending("merged") }
    /// Empty file systems that new disks are copied from; made again when they are missing.
    public var templates: FilePath { root.appending("templates") }

    /// A layer's EROFS image.
    public func blob(_ key: LayerKey) -> FilePath {
        blobs.appending(String(key.description.prefix(2))).appending("\(key).erofs")
    }

    /// What is needed to rebuild the index's row of a blob, as JSON.
    public func blobSidecar(_ key: LayerKey) -> FilePath {
        blobs.appending(String(key.description.prefix(2))).appending("\(key).json")
    }

    /// The folder of a layer's kernels and initramfs.
    public func bootDirectory(_ key: LayerKey) -> FilePath {
        boot.appending(String(key.description.prefix(2))).appending(key.description)
    }

    /// A merged disk: the EROFS image.
    public func mergedDisk(_ id: Digest) -> FilePath { merged.appending("\(id.hex).erofs") }

    /// What is needed to rebuild the index's row of a merged disk, as JSON.
    public func mergedSidecar(_ id: Digest) -> FilePath { merged.appending("\(id.hex).json") }

    /// An image's manifest, config, references, pins and bindings, as JSON.
    public func image(_ digest: Digest) -> FilePath { images.appending("\(digest.hex).json") }
}
