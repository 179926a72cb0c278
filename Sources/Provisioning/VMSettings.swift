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

    /// What a VM gets about which neither its request nor the settings say anything.
    public enum Fallback {
        /// Processors.
        public static let cpus = 1
        /// Bytes of memory.
        public static let memory: UInt64 = 512 << 20
        /// Bytes of the writable disk.
        public static let diskSize: UInt64 = 10 << 30
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
    /// What requests get where they say nothing.
    public var defaults = VMRequest(name: "", image: "")
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

    /// The file that tells this folder of VMs from others.
    var identityFile: FilePath { vms.appending(Self.identityName) }
    static let identityName = ".identity"

    /// A VM's folder; of a retired one for `.retired/NAME-TIME`.
    public func folder(of name: String) -> VMFolder { VMFolder(named: name, below: vms) }

    /// The writable disks that a request asks for: the VM's own, and those for data.
    func disks(of request: VMRequest) -> [WritableDisk] {
        let folder = folder(of: request.name)
        let size = request.diskSize ?? defaults.diskSize ?? Fallback.diskSize
        let data = (request.dataDisks ?? defaults.dataDisks ?? []).map {
            WritableDisk(path: folder.dataDisk($0.name), size: $0.size, content: $0.content, label: $0.name)
        }
        return [WritableDisk(path: folder.writableDisk, size: size)] + data
    }
}
