public import CloudHypervisor
public import EROFS
public import SystemPackage

/// Everything that can be set, with its default. Paths may be relative to `root`; ``paths`` resolves them.
public struct Settings: Sendable, Hashable {
    /// Where inputs, outputs and the store lie unless a path below says otherwise. Absolute.
    public var root: FilePath = "/var/lib/slipway"
    /// The folder of tar files.
    public var inbox = Inbox()
    /// The file of image references.
    public var queue = Queue()
    /// How registries are reached.
    public var registry = Registry()
    /// VM requests and what becomes of them.
    public var vms = VMs()
    /// How blobs are made and kept.
    public var store = Store()
    /// What is collected, and when.
    public var gc = GC()
    /// Kernels of the host.
    public var boot = Boot()
    /// The hypervisor that configs are rendered for.
    public var hypervisor = Hypervisor()
    /// How much runs at a time.
    public var jobs = Jobs()
    /// What is told to monitoring.
    public var metrics = Metrics()

    /// The defaults.
    public init() {}

    /// `inbox`
    public struct Inbox: Sendable, Hashable {
        /// What happens to a file once its image is committed.
        public enum OnSuccess: String, Sendable, CaseIterable { case keep, remove }

        /// The folder.
        public var path: FilePath = "inbox"
        /// How long a file must have stood still where it cannot be told that its writer is done.
        public var settle: Duration = .seconds(2)
        /// How long a folder `NAME.image/` must have stood still.
        public var folderSettle: Duration = .seconds(10)
        /// What happens to a file once its image is committed.
        public var onSuccess = OnSuccess.keep
        /// How often everything is looked at without any event.
        public var rescan: Duration = .seconds(60)
        /// Whether nothing is taken without a digest promised for it.
        public var requireDigest = false
        /// Patterns of the references that a drop may claim; `*` stands for any text.
        public var allowReferences = ["*"]
        /// Whether the folder may be writable by everyone.
        public var allowWorldWritable = false
    }

    /// `queue`
    public struct Queue: Sendable, Hashable {
        /// The file.
        public var path: FilePath = "queue"
        /// How often moved tags are looked for.
        public var refresh: Duration = .seconds(3600)
        /// How long most of the lines must be gone before that is believed.
        public var removeGrace: Duration = .seconds(600)
        /// Whether the file may be writable by everyone.
        public var allowWorldWritable = false
    }

    /// `registry`
    public struct Registry: Sendable, Hashable {
        /// The file of mirrors, credentials and certificates, in the form of k3s and rke2.
        public var config: FilePath = "/etc/slipway/registries.yaml"
        /// Whether layers that may not be handed on are fetched from where a manifest says that they are.
        public var allowForeignLayers = false
    }

    /// `vms`
    public struct VMs: Sendable, Hashable {
        /// What happens to a VM whose request went away.
        public enum OnRemove: String, Sendable, CaseIterable { case retain, delete }
        /// What happens to a VM whose image changed.
        public enum OnImageChange: String, Sendable, CaseIterable { case hold, recreate }

        /// The folder of requests.
        public var requests: FilePath = "requests"
        /// The folder of rendered configs and disks.
        public var path: FilePath = "vms"
        /// What happens to a VM whose request went away.
        public var onRemove = OnRemove.retain
        /// How long a request must be gone before anything happens.
        public var removeGrace: Duration = .seconds(600)
        /// How long a retired VM is kept.
        public var retiredTTL: Duration = .seconds(168 * 3600)
        /// What happens to a VM whose image changed.
        public var onImageChange = OnImageChange.hold
        /// Host paths that a request's `cloudHypervisor` may name, with what is below them.
        public var allowPaths: [FilePath] = []
        /// Whether the folder of requests may be writable by everyone.
        public var allowWorldWritable = false
        /// What a request need not say.
        public var defaults = Defaults()
    }

    /// `store`
    public struct Store: Sendable, Hashable {
        /// How file data is compressed.
        public enum Compression: String, Sendable, CaseIterable { case none, lz4 }
        /// Who writes blobs.
        public enum Engine: String, Sendable, CaseIterable {
            case native
            case mkfs = "mkfs.erofs"
        }
        /// What looks at a blob before it is committed.
        public enum Check: String, Sendable, CaseIterable { case none, fsck }

        /// How file data is compressed.
        public var compression = Compression.lz4
        /// The oldest Linux that guests run.
        public var guestKernel = GuestKernel(6, 1)
        /// Who writes blobs.
        public var engine = Engine.native
        /// What looks at a blob before it is committed.
        public var check = Check.none
        /// Bytes of the file system that stay free.
        public var reserve: UInt64 = 2 << 30
        /// Bounds on what an image may hold.
        public var limits = Limits()

        /// `store.limits`
        public struct Limits: Sendable, Hashable {
            /// Bytes of one layer, unpacked.
            public var layerBytes: UInt64 = 256 << 30
            /// Entries of one layer.
            public var layerEntries = 20_000_000
            /// How many bytes a compressed layer may unpack to for each of its own.
            public var expansion = 65_536
            /// Bytes of a path in a layer, or of a link's target.
            public var pathBytes = 64 << 10
            /// Folders within folders.
            public var pathDepth = 4096
            /// Layers of one image.
            public var imageLayers = 500
            /// Members of one archive of images.
            public var archiveMembers = 20_000
            /// Images that one archive lists.
            public var archiveImages = 1000
            /// Bytes of one archive of images that is compressed as a whole or comes through a pipe, unpacked.
            public var archiveBytes: UInt64 = 1 << 40
        }
    }

    /// `gc`
    public struct GC: Sendable, Hashable {
        /// How long an image stays after its last pin went.
        public var unpinnedTTL: Duration = .seconds(24 * 3600)
        /// How full the file system may be, in percent as df(1) has it, before unpinned images go early.
        public var highWater = 85
        /// How full it is, in percent, when that stops.
        public var lowWater = 80
        /// The most bytes that blobs, boot files and merged disks may take before unpinned images go early.
        public var maxBytes: UInt64?
        /// Folders of configs by other hands; what these name of the store stays.
        public var externalRoots: [FilePath] = []
    }

    /// `boot`
    public struct Boot: Sendable, Hashable {
        /// A kernel and initramfs of the host.
        public struct Profile: Sendable, Hashable {
            /// The kernel, absolute.
            public var kernel: FilePath
            /// The initramfs, absolute.
            public var initramfs: FilePath

            /// Creates a profile.
            public init(kernel: FilePath, initramfs: FilePath) {
                self.kernel = kernel
                self.initramfs = initramfs
            }
        }

        /// By name; `default` serves images without a kernel of their own.
        public var profiles: [String: Profile] = [:]
    }

    /// `hypervisor`
    public struct Hypervisor: Sendable, Hashable {
        /// Cloud Hypervisor's release.
        public var version = HypervisorVersion.oldestSupported
    }

    /// `jobs`
    public struct Jobs: Sendable, Hashable {
        /// Layers converted at a time.
        public var conversions = 2
        /// Blobs downloaded at a time.
        public var downloads = 6
    }

    /// `metrics`
    public struct Metrics: Sendable, Hashable {
        /// The file that the agent's metrics are written to; nil for none.
        public var file: FilePath?
    }
}
