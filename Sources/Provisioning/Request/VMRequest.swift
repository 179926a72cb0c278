public import Documents
public import Snapshots

/// What someone asks for: one VM. The value of a file in the requests folder; what it does not say is nil, until
/// ``fill(from:)`` takes it from the settings.
public struct VMRequest: Sendable, Hashable {
    /// When an image may be pulled for the VM.
    public enum PullPolicy: String, Sendable, Hashable, CaseIterable {
        /// Only an image that the store has.
        case never
        /// One that the store has, else from its registry.
        case ifNotPresent = "if-not-present"
        /// The registry is asked before the VM's first config.
        case always
    }

    /// Where the virtio console goes.
    public enum ConsoleMode: String, Sendable, Hashable, CaseIterable {
        /// There is none.
        case off = "Off"
        /// There is one that swallows everything.
        case null = "Null"
        /// A pseudo-terminal that the hypervisor makes.
        case pty = "Pty"
        /// The hypervisor's own terminal.
        case tty = "Tty"
        /// `console.log` in the VM's folder.
        case file = "File"
    }

    /// Where the serial port goes.
    public enum SerialMode: String, Sendable, Hashable, CaseIterable {
        /// There is none.
        case off = "Off"
        /// There is one that swallows everything.
        case null = "Null"
        /// A pseudo-terminal that the hypervisor makes.
        case pty = "Pty"
        /// The hypervisor's own terminal.
        case tty = "Tty"
        /// `serial.log` in the VM's folder.
        case file = "File"
        /// The Unix socket `serial.sock` in the VM's folder.
        case socket = "Socket"
    }

    /// How the image's layers come to the VM.
    public enum LayerMode: String, Sendable, Hashable, CaseIterable {
        /// As disks where these fit what the hypervisor and the guest's kernel take, else merged.
        case auto
        /// As one disk per layer.
        case disks
        /// As one disk that holds what all of them together show.
        case merged
    }

    /// The memory.
    public struct Memory: Sendable, Hashable {
        /// Bytes that the VM boots with; nil for the setting's.
        public var size: UInt64?
        /// Whether it comes from the host's huge pages; nil for no.
        public var usesHugePages: Bool?
        /// Whether other processes may map it, as vhost-user devices have to; nil for no.
        public var isShared: Bool?
        /// Bytes by which it can grow while the VM runs; nil for none.
        public var hotplugSize: UInt64?

        /// Nothing said.
        public init() {}
    }

    /// A disk for the VM's data.
    public struct DataDisk: Sendable, Hashable {
        /// Its name: the serial that the guest finds it by, and `data-NAME.raw` in the VM's folder.
        public var name: String
        /// Bytes.
        public var size: UInt64
        /// What is on it at first.
        public var content: WritableDisk.Content = .ext4
        /// Where the guest mounts it; nil to leave that to the guest.
        public var mount: String?
        /// Whether the host's page cache is bypassed.
        public var isDirect = true

        /// Creates a disk.
        public init(name: String, size: UInt64) {
            self.name = name
            self.size = size
        }
    }

    /// A network interface.
    public struct Net: Sendable, Hashable {
        /// The host's tap device; nil lets the hypervisor make one.
        public var tap: String?
        /// The interface's address; nil gives it a stable one.
        public var mac: MACAddress?
        /// A static address.
        public var ip: IPv4Interface?
        /// The default route, in the network of `ip`.
        public var gateway: IPv4Address?
        /// Pairs of queues; nil for one per processor where the hypervisor makes the tap, and one for a tap of the host.
        public var queuePairs: Int?

        /// An interface about which nothing is said.
        public init() {}
    }

    /// What cloud-init is told to do. It may hold secrets, so that nothing prints it.
    public struct UserData: Sendable, Hashable, CustomStringConvertible, CustomDebugStringConvertible,
        CustomReflectable
    {
        /// The text.
        public let text: String

        /// Wraps a text.
        public init(_ text: String) { self.text = text }

        /// How long it is, not what it says.
        public var description: String { "user data of \(text.utf8.count) bytes" }
        /// As the description.
        public var debugDescription: String { description }
        /// Nothing to look into.
        public var customMirror: Mirror { Mirror(self, children: []) }
    }

    /// The VM's name.
    public var name: String
    /// The image's reference or digest, as written.
    public var image: String
    /// When it may be pulled; nil for when the store does not have it.
    public var pull: PullPolicy?
    /// How its layers come to the VM; nil for `auto`.
    public var layers: LayerMode?
    /// Processors at boot; nil for the setting's.
    public var cpus: Int?
    /// Processors that the VM can grow to; nil for `cpus`.
    public var maxCpus: Int?
    /// The memory.
    public var memory = Memory()
    /// Bytes of the writable disk; nil for the setting's.
    public var diskSize: UInt64?
    /// Whether the writable disk bypasses the host's page cache; nil for yes.
    public var isDiskDirect: Bool?
    /// Further disks, in order; nil where nothing is said.
    public var dataDisks: [DataDisk]?
    /// Network interfaces, in order; nil where nothing is said.
    public var nets: [Net]?
    /// Name servers, at most three; nil where nothing is said.
    public var dns: [IPv4Address]?
    /// The guest's hostname.
    public var hostname: String?
    /// The serial port; nil for a file.
    public var serial: SerialMode?
    /// The virtio console; nil for none.
    public var console: ConsoleMode?
    /// The VM's context identifier on its vsock device; nil for no device.
    public var vsockCID: UInt32?
    /// Whether the hypervisor resets a guest that does not feed its watchdog; nil for no.
    public var watchdog: Bool?
    /// The boot profile to take kernel and initramfs from; nil for the image's own, else the profile `default`.
    public var kernelProfile: String?
    /// What is added to the kernel command line, as written.
    public var kernelArguments: String?
    /// What cloud-init finds on the seed disk; nil for no such disk.
    public var userData: UserData?
    /// The merge patch over the rendered config, an object.
    public var patch: JSONValue?

    /// Creates a request with nothing but what it must have.
    public init(name: String, image: String) {
        self.name = name
        self.image = image
    }
}

extension VMRequest {
    /// Takes from the settings' defaults what the request leaves open: values one by one, lists as a whole. The defaults'
    /// merge patch comes before the request's.
    public mutating func fill(from defaults: VMRequest) {
        pull = pull ?? defaults.pull
        layers = layers ?? defaults.layers
        cpus = cpus ?? defaults.cpus
        maxCpus = maxCpus ?? defaults.maxCpus
        memory.size = memory.size ?? defaults.memory.size
        memory.usesHugePages = memory.usesHugePages ?? defaults.memory.usesHugePages
        memory.isShared = memory.isShared ?? defaults.memory.isShared
        memory.hotplugSize = memory.hotplugSize ?? defaults.memory.hotplugSize
        diskSize = diskSize ?? defaults.diskSize
        isDiskDirect = isDiskDirect ?? defaults.isDiskDirect
        dataDisks = dataDisks ?? defaults.dataDisks
        nets = nets ?? defaults.nets
        dns = dns ?? defaults.dns
        serial = serial ?? defaults.serial
        console = console ?? defaults.console
        watchdog = watchdog ?? defaults.watchdog
        kernelProfile = kernelProfile ?? defaults.kernelProfile
        kernelArguments = kernelArguments ?? defaults.kernelArguments
        userData = userData ?? defaults.userData
        if let patch = defaults.patch { self.patch = self.patch.map { patch.merged(with: $0) } ?? patch }
    }
}

extension JSONValue {
    /// The merge patch that does what this and then another do. Unlike applying one to a value, this keeps nulls.
    fileprivate func merged(with other: JSONValue) -> JSONValue {
        guard case .object(let changes) = other else { return other }
        guard case .object(var members) = self else { return other }
        for (key, change) in changes { members[key] = members[key]?.merged(with: change) ?? change }
        return .object(members)
    }
}
