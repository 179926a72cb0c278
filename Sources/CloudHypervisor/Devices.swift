public import Documents

extension VmConfig {
    /// A network interface on a tap of the host.
    public struct Net: Hashable, Sendable {
        /// The device's name in the API, unique in the VM.
        public var id: String?
        /// The tap's name, at most 15 bytes; nil lets the hypervisor make one.
        public var tap: String?
        /// The guest's hardware address; nil lets the hypervisor make up another at every boot.
        public var mac: String?
        /// The largest packet.
        public var mtu: UInt16?
        /// Receive and transmit queues together: an even number, at most twice the vCPUs that the VM boots with.
        public var queues: UInt16 = 2
        /// Requests per queue, a power of two.
        public var queueSize: UInt16 = 256
        /// The PCI segment it sits on.
        public var pciSegment: UInt16 = 0
        /// Limits on its traffic.
        public var rateLimiter: RateLimiter?

        /// Creates an interface.
        public init(id: String? = nil, tap: String? = nil, mac: String? = nil) {
            self.id = id
            self.tap = tap
            self.mac = mac
        }

        /// The JSON that the API takes.
        public var json: JSONValue {
            var object = JSONObject()
            object.set("id", id)
            object.set("tap", tap)
            object.set("mac", mac)
            object.set("mtu", mtu)
            object.set("num_queues", queues, default: 2)
            object.set("queue_size", queueSize, default: 256)
            object.set("pci_segment", pciSegment, default: 0)
            object.set("rate_limiter_config", rateLimiter?.json)
            return object.value
        }
    }

    /// A source of entropy.
    public struct RNG: Hashable, Sendable {
        /// The file that random bytes come from.
        public var source: String

        /// Creates a value.
        public init(source: String = "/dev/urandom") { self.source = source }

        /// The JSON that the API takes.
        public var json: JSONValue { ["src": .string(source)] }
    }

    /// A balloon, by which a guest gives memory back.
    public struct Balloon: Hashable, Sendable {
        /// Bytes that it holds at first; less than the memory.
        public var size: UInt64
        /// Whether it shrinks when the guest runs out of memory.
        public var deflatesOnOOM = false
        /// Whether the guest reports pages that it does not use.
        public var reportsFreePages = false

        /// Creates a balloon.
        public init(size: UInt64 = 0, deflatesOnOOM: Bool = false, reportsFreePages: Bool = false) {
            self.size = size
            self.deflatesOnOOM = deflatesOnOOM
            self.reportsFreePages = reportsFreePages
        }

        /// The JSON that the API takes.
        public var json: JSONValue {
            var object = JSONObject()
            object.set("size", size)
            object.set("deflate_on_oom", deflatesOnOOM, default: false)
            object.set("free_page_reporting", reportsFreePages, default: false)
            return object.value
        }
    }

    /// Where a serial port or console goes.
    public struct Console: Hashable, Sendable {
        /// What is at its other end.
        public enum Mode: Hashable, Sendable {
            /// There is none.
            case off
            /// What the guest writes is dropped.
            case null
            /// A pseudo-terminal that the hypervisor makes.
            case pty
            /// The hypervisor's own terminal.
            case tty
            /// A file, emptied at every start.
            case file(String)
            /// A Unix socket; a serial port only.
            case socket(String)
        }

        /// What is at its other end.
        public var mode: Mode

        /// Creates a value.
        public init(mode: Mode) { self.mode = mode }

        /// The JSON that the API takes.
        public var json: JSONValue {
            switch mode {
            case .off: ["mode": "Off"]
            case .null: ["mode": "Null"]
            case .pty: ["mode": "Pty"]
            case .tty: ["mode": "Tty"]
            case .file(let path): ["mode": "File", "file": .string(path)]
            case .socket(let path): ["mode": "Socket", "socket": .string(path)]
            }
        }
    }

    /// A socket device between host and guest.
    public struct Vsock: Hashable, Sendable {
        /// The guest's address: 3 to 4294967294.
        public var cid: UInt32
        /// The Unix socket that stands for it on the host; it must not exist when the VM starts.
        public var socket: String

        /// Creates a value.
        public init(cid: UInt32, socket: String) {
            self.cid = cid
            self.socket = socket
        }

        /// The JSON that the API takes.
        public var json: JSONValue {
            var object = JSONObject()
            object.set("cid", cid)
            object.set("socket", socket)
            return object.value
        }
    }
}
