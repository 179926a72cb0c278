public import Archives
public import EROFS
public import Host
public import Registry
public import Store
public import SystemPackage

extension OCIBackend {
    /// The OCI backend's configuration. Every path of the backend comes from here.
    public struct Config: BaseConfig {
        /// Where everything lies.
        public var store: StoreLayout
        /// How layers are written.
        public var compression: EROFS.Compression
        /// The oldest Linux that has to read them.
        public var guestKernel: GuestKernel
        /// Layers converted at the same time, over all imports and pulls of this process.
        public var conversions: Int
        /// Layers fetched at the same time, over all pulls of this process; they are converted while they arrive.
        public var downloads: Int
        /// Bytes of the file system that pulls leave free.
        public var reserve: UInt64
        /// How registries are reached.
        public var registry: ClientConfiguration
        /// Threads that compress, for each conversion.
        public var compressionJobs: Int
        /// How long an image that nothing pins is kept, on the store's clock.
        public var unpinnedTTL: Duration
        /// When that grace does not count.
        public var space: SpaceLimits
        /// Folders of configs by other hands whose disks stay.
        public var externalRoots: [FilePath]
        /// Bounds on what a layer may hold.
        public var limits: LayerLimits
        /// Bounds on what an archive of images may hold.
        public var archives: ArchiveLimits
        /// Who writes blobs.
        public var engine: Engine
        /// What looks at a new blob before it is committed.
        public var check: BlobCheck
        /// Where the programs of erofs-utils are looked for.
        public var search: SearchPath

        /// Creates a configuration.
        public init(
            store: StoreLayout,
            compression: EROFS.Compression = .lz4(clusterSize: 65536),
            guestKernel: GuestKernel = GuestKernel(6, 1),
            conversions: Int = 2,
            downloads: Int = 6,
            reserve: UInt64 = 0,
            registry: ClientConfiguration = ClientConfiguration(environment: [:]),
            compressionJobs: Int = 2,
            unpinnedTTL: Duration = .seconds(24 * 3600),
            space: SpaceLimits = .none,
            externalRoots: [FilePath] = [],
            limits: LayerLimits = LayerLimits(),
            archives: ArchiveLimits = ArchiveLimits(),
            engine: Engine = .native,
            check: BlobCheck = .none,
            search: SearchPath = .process
        ) {
            self.store = store
            self.compression = compression
            self.guestKernel = guestKernel
            self.conversions = conversions
            self.downloads = downloads
            self.reserve = reserve
            self.registry = registry
            self.compressionJobs = compressionJobs
            self.unpinnedTTL = unpinnedTTL
            self.space = space
            self.externalRoots = externalRoots
            self.limits = limits
            self.archives = archives
            self.engine = engine
            self.check = check
            self.search = search
        }

        /// The folder that holds every layer's boot files.
        public var bootBaseDir: FilePath { store.boot }
        /// A layer's kernel of that name in `/boot`.
        public func kernelPath(_ layer: LayerKey, named name: String) -> FilePath {
            store.bootDirectory(layer).appending(name)
        }
        /// A layer's initramfs of that name in `/boot`.
        public func initrdPath(_ layer: LayerKey, named name: String) -> FilePath {
            store.bootDirectory(layer).appending(name)
        }

        /// The options of the writer in one canonical line, as blobs record them.
        var writerOptions: String {
            let kernel = "kernel=\(guestKernel)"
            return switch compression {
            case .none: "none,\(kernel)"
            case .lz4(let clusterSize): "lz4,cluster=\(clusterSize),\(kernel)"
            case .lz4hc(let level, let clusterSize): "lz4hc,level=\(level),cluster=\(clusterSize),\(kernel)"
            }
        }
    }
}
