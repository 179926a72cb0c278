public import Documents

/// A virtual machine as Cloud Hypervisor's API takes it (`vm.create`; `vmm/src/vm_config.rs`).
///
/// Only what Slipway renders has a type here; all the rest goes through a merge patch over ``json``. Encoding leaves
/// defaults out, for the API's body has a limit, and gives the same value for the same config always.
public struct VmConfig: Hashable, Sendable {
    /// The processors.
    public var cpus: CPUs
    /// The memory.
    public var memory: Memory
    /// What the VM boots.
    public var payload: Payload
    /// Limits that several disks share.
    public var rateLimitGroups: [RateLimitGroup] = []
    /// The disks, in the order the guest finds them.
    public var disks: [Disk] = []
    /// The network interfaces.
    public var nets: [Net] = []
    /// The source of entropy; nil for `/dev/urandom`.
    public var rng: RNG?
    /// The balloon.
    public var balloon: Balloon?
    /// The serial port.
    public var serial: Console
    /// The virtio console; always written, for the hypervisor's default is its own terminal.
    public var console: Console
    /// The socket device between host and guest.
    public var vsock: Vsock?
    /// Whether there is a watchdog.
    public var watchdog = false
    /// Whether the guest can report that it panicked.
    public var pvpanic = false
    /// Segments and SMBIOS.
    public var platform = Platform()

    /// A machine without disks and networks; its console is off.
    public init(
        cpus: CPUs = CPUs(),
        memory: Memory,
        payload: Payload,
        serial: Console,
        console: Console = Console(mode: .off)
    ) {
        self.cpus = cpus
        self.memory = memory
        self.payload = payload
        self.serial = serial
        self.console = console
    }

    /// The JSON that the API takes.
    public var json: JSONValue {
        var object = JSONObject()
        object.set("cpus", cpus.json)
        object.set("memory", memory.json)
        object.set("payload", payload.json)
        object.set("rate_limit_groups", rateLimitGroups.map(\.json))
        object.set("disks", disks.map(\.json))
        object.set("net", nets.map(\.json))
        object.set("rng", rng?.json)
        object.set("balloon", balloon?.json)
        object.set("serial", serial.json)
        object.set("console", console.json)
        object.set("vsock", vsock?.json)
        object.set("watchdog", watchdog, default: false)
        object.set("pvpanic", pvpanic, default: false)
        object.set("platform", platform.json)
        return object.value
    }
}

/// An object under construction, from which absent values and defaults stay out.
struct JSONObject {
    private var members: [String: JSONValue] = [:]

    var value: JSONValue { .object(members) }
    var isEmpty: Bool { members.isEmpty }

    mutating func set(_ key: String, _ value: JSONValue?) {
        if let value { members[key] = value }
    }

    mutating func set(_ key: String, _ value: String?) { set(key, value.map(JSONValue.string)) }

    mutating func set(_ key: String, _ value: Bool, default standard: Bool) {
        if value != standard { members[key] = .bool(value) }
    }

    mutating func set(_ key: String, _ value: some FixedWidthInteger & UnsignedInteger) {
        members[key] = JSONValue(UInt64(value))
    }

    mutating func set<Number: FixedWidthInteger & UnsignedInteger>(
        _ key: String,
        _ value: Number?,
        default standard: Number? = nil
    ) {
        if let value, value != standard { members[key] = JSONValue(UInt64(value)) }
    }

    mutating func set(_ key: String, _ values: [JSONValue]) {
        if !values.isEmpty { members[key] = .array(values) }
    }
}
