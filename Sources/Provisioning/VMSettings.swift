public import CloudHypervisor
public import Snapshots
public import SystemPackage

/// What the settings say about VMs. Paths are absolute.
public struct VMSettings: Sendable, Hashable {
    /// What becomes of a VM whose request is gone.
    public enum Removal: String, Sendable, Hashable, Codable, CaseIterable {
        /// Its folder and binding are kept as retired.
        case retain
        /// Its folder and binding are deleted.
        case delete
    }

    /// What becomes of a VM whose image is another now.
    public enum ImageChange: String, Sendable, Hashable, Codable, CaseIterable {
        /// It stays on the layers it is bound to until someone decides.
        case hold
        /// Its disks are retired and it is made anew, once no hypervisor runs on them.
        case recreate
    }

    /// A kernel and an initramfs of the host.
    public struct BootProfile: Sendable, Hashable, Codable {
        /// The kernel.
        public var kernel: FilePath
        /// The initramfs.
        public var initramfs: FilePath

        /// Creates a profile.
        public init(kernel: FilePath, initramfs: FilePath) {
            self.kernel = kernel
            self.initramfs = initramfs
        }
    }

    /// What a request gets that says nothing.
    public struct Defaults: Sendable, Hashable {
        /// Processors.
        public var cpus = 1
        /// Bytes of memory.
        public var memory: UInt64 = 512 << 20
        /// Bytes of the writable disk.
        public var diskSize: UInt64 = 10 << 30

        /// The defaults of the defaults.
        public init() {}
    }

    /// The folder of request files.
    public var requests: FilePath
    /// The folder of VMs.
    public var vms: FilePath
    /// What becomes of a VM whose request is gone.
    public var onRemove = Removal.retain
    /// How long a request has to be gone before its VM retires, on the store's clock.
    public var removeGrace = Duration.seconds(600)
    /// How long a retired VM is kept, on the store's clock.
    public var retiredTTL = Duration.seconds(168 * 3600)
    /// What becomes of a VM whose image is another now.
    public var onImageChange = ImageChange.hold
    /// Host paths that merge patches may name, beside the VM's own folder.
    public var allowPaths: [FilePath] = []
    /// What a request gets that says nothing.
    public var defaults = Defaults()
    /// Kernels of the host by name; `default` serves images that have none of their own.
    public var bootProfiles: [String: BootProfile] = [:]
    /// The release that configs are written for.
    public var hypervisorVersion = HypervisorVersion.oldestSupported
    /// How long a request file must stand still of which no event said that it is complete.
    public var settle = Duration.seconds(2)
    /// Whether a requests folder that everyone may write is accepted.
    public var allowsWorldWritableRequests = false
    /// Permission bits of rendered files.
    public var permissions = FilePermissions(rawValue: 0o640)

    /// Settings with the defaults for all but the folders.
    public init(requests: FilePath, vms: FilePath) {
        self.requests = requests
        self.vms = vms
    }

    /// A VM's folder; of a retired one for `.retired/NAME-TIME`.
    public func folder(of name: String) -> VMFolder { VMFolder(named: name, below: vms) }
}
