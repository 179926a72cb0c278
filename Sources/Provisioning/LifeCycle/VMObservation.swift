public import OCI
public import Store

/// The world as one look found it: everything a plan is made of, and nothing that has to be asked for later.
public struct VMObservation: Sendable, Hashable {
    /// What a reference means.
    public enum ImageState: Sendable, Hashable {
        /// This image.
        case found(Digest)
        /// No image that the store has.
        case missing
        /// It cannot be told, and why.
        case unavailable(String)
    }

    /// What a config was rendered from. Two equal ones give the same bytes.
    public struct Inputs: Sendable, Hashable {
        /// SHA-256 of the request.
        public var request: Digest
        /// The image.
        public var image: Digest
        /// Its layers, bottom first.
        public var keys: [LayerKey]
    }

    /// What lies in a VM's folder.
    public struct Machine: Sendable, Hashable {
        /// Size of the writable disk in bytes; nil when there is none.
        public var diskSize: UInt64?
        /// Sizes of the data disks that its request names and that are there, in bytes, by name.
        public var dataDiskSizes: [String: UInt64] = [:]
        /// Whether a hypervisor holds a lock on it.
        public var isRunning = false
        /// What `status.json` says, as last read or written.
        public var status: VMStatus?
        /// What the config was rendered from; nil when it was not this process that wrote it.
        public var rendered: Inputs?
        /// The names of generated files that were removed or changed since.
        public var damaged: [String] = []
        /// Inputs from which no config could be made, and why; trying them again would end the same.
        public var refused: Refusal?

        /// A folder with nothing in it.
        public init() {}
    }

    /// A disk that is there, and the size that the request asks for.
    struct DiskWish: Hashable {
        /// The request's member, for messages.
        var member: String
        /// Bytes that the disk has.
        var size: UInt64
        /// Bytes that are asked for, rounded as disks are.
        var wish: UInt64
    }

    /// Why no config can be made from some inputs.
    public struct Refusal: Sendable, Hashable {
        /// The inputs.
        public var inputs: Inputs
        /// Why.
        public var problem: RequestFile.Problem
    }

    /// When, on the store's clock.
    public var now: StoreTime
    /// Why the inputs tell nothing, if they do not: then nothing is started, changed or retired.
    public var unavailable: String?
    /// The request files, by name.
    public var files: [RequestFile] = []
    /// Every binding, retired ones too.
    public var bindings: [VMRecord] = []
    /// What the requests' references mean.
    public var images: [String: ImageState] = [:]
    /// How far the pulls of wished images have come, by reference.
    public var pulls: [String: PullStanding] = [:]
    /// The folders of VMs that are not retired, by name.
    public var machines: [String: Machine] = [:]
    /// Retired bindings whose folder still lies where it was: something stopped in between.
    public var halfRetired: [VMRecord] = []
    /// What becomes of VMs whose request is gone.
    public var onRemove = VMSettings.Removal.retain
    /// How long a request has to be gone.
    public var removeGrace = Duration.zero
    /// What becomes of VMs whose image is another.
    public var onImageChange = VMSettings.ImageChange.hold

    /// A world without anything.
    public init(now: StoreTime) { self.now = now }
}
