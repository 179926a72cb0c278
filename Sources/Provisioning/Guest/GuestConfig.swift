import Documents

/// What a guest is told beside its kernel's command line, which is too short for it: what it runs, its network, its name
/// and where its data disks go. The disk `slipway` carries it (see ``diskImage()``).
public struct GuestConfig: Sendable, Hashable {
    /// The version of the form. A guest that knows another one refuses it.
    public static let schema: Int64 = 1

    /// A network interface of the guest.
    public struct Interface: Sendable, Hashable {
        /// By this the guest finds it.
        public var mac: MACAddress
        /// Its address; nil when nothing configures it.
        public var address: IPv4Interface?
        /// The default route by it.
        public var gateway: IPv4Address?

        /// Creates a value.
        public init(mac: MACAddress, address: IPv4Interface? = nil, gateway: IPv4Address? = nil) {
            self.mac = mac
            self.address = address
            self.gateway = gateway
        }
    }

    /// A data disk that the guest mounts.
    public struct Mount: Sendable, Hashable {
        /// The disk's serial.
        public var serial: String
        /// The type of its file system, as mount(8) knows it.
        public var filesystem: String
        /// Where to, an absolute path in the guest.
        public var path: String

        /// Creates a value.
        public init(serial: String, filesystem: String, path: String) {
            self.serial = serial
            self.filesystem = filesystem
            self.path = path
        }
    }

    /// The command: the image's entrypoint, then its arguments. Empty where the image has none.
    public var arguments: [String] = []
    /// The command's whole environment, `NAME=VALUE` each.
    public var environment: [String] = []
    /// The folder that it starts in, an absolute path.
    public var workingDirectory = "/"
    /// `USER[:GROUP]`, each by name or number; empty for root. The image's own `/etc/passwd` and `/etc/group` tell names.
    public var user = ""
    /// The signal that asks it to stop, without `SIG`, or a number.
    public var stopSignal = "TERM"
    /// The guest's hostname; nil to leave it.
    public var hostname: String?
    /// Network interfaces, in order.
    public var interfaces: [Interface] = []
    /// Name servers, in order.
    public var nameServers: [IPv4Address] = []
    /// Data disks to mount, in order.
    public var mounts: [Mount] = []

    /// Nothing to tell.
    public init() {}

    /// Whether there is something that the image does not say itself.
    var isOfTheRequest: Bool {
        hostname != nil || !nameServers.isEmpty || !mounts.isEmpty
            || interfaces.contains { $0.address != nil }
    }
}

extension GuestConfig {
    /// The content of `config.json`.
    public var json: JSONValue {
        var network: JSONValue = [
            "interfaces": .array(interfaces.map(\.json)),
            "nameServers": .array(nameServers.map { .string($0.description) }),
        ]
        network["hostname"] = hostname.map(JSONValue.string)
        return [
            "schema": .integer(Self.schema),
            "argv": .array(arguments.map(JSONValue.string)),
            "env": .array(environment.map(JSONValue.string)),
            "cwd": .string(workingDirectory),
            "user": .string(user),
            "stopSignal": .string(stopSignal),
            "network": network,
            "mounts": .array(
                mounts.map {
                    [
                        "serial": .string($0.serial), "filesystem": .string($0.filesystem),
                        "path": .string($0.path),
                    ]
                }
            ),
        ]
    }
}

extension GuestConfig.Interface {
    fileprivate var json: JSONValue {
        var value: JSONValue = ["mac": .string(mac.description)]
        value["address"] = address.map { .string($0.description) }
        value["gateway"] = gateway.map { .string($0.description) }
        return value
    }
}
