public import Documents

/// What someone asks for: one VM. The value of a file in the requests folder, with nothing filled in from settings.
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
    }

    /// The VM's name.
    public var name: String
    /// The image's reference or digest, as written.
    public var image: String
    /// When it may be pulled.
    public var pull: PullPolicy = .ifNotPresent
    /// Processors at boot; nil for the setting's.
    public var cpus: Int?
    /// Processors that the VM can grow to; nil for `cpus`.
    public var maxCpus: Int?
    /// Bytes of memory; nil for the setting's.
    public var memory: UInt64?
    /// Whether the memory comes from the host's huge pages.
    public var hugepages = false
    /// Bytes of the writable disk; nil for the setting's.
    public var diskSize: UInt64?
    /// Network interfaces, in order.
    public var nets: [Net] = []
    /// Name servers, at most two.
    public var dns: [IPv4Address] = []
    /// The guest's hostname.
    public var hostname: String?
    /// The virtio console; nil for none, with the serial port in a file.
    public var console: ConsoleMode?
    /// The VM's context identifier on its vsock device; nil for no device.
    public var vsockCID: UInt32?
    /// The boot profile to take kernel and initramfs from; nil for the image's own, else the profile `default`.
    public var kernelProfile: String?
    /// What is added to the kernel command line, as written.
    public var kernelArguments: String?
    /// The merge patch over the rendered config, an object.
    public var patch: JSONValue?

    /// Creates a request with nothing but what it must have.
    public init(name: String, image: String) {
        self.name = name
        self.image = image
    }
}
