public import Documents

extension VmConfig {
    /// The processors.
    public struct CPUs: Hashable, Sendable {
        /// vCPUs that the VM boots with.
        public var boot: UInt32
        /// vCPUs that it can grow to.
        public var max: UInt32
        /// Whether guests can be hypervisors themselves.
        public var nested = true

        /// Creates a value; without `max` the number is fixed.
        public init(boot: UInt32 = 1, max: UInt32? = nil) {
            self.boot = boot
            self.max = max ?? boot
        }

        /// The JSON that the API takes.
        public var json: JSONValue {
            var object = JSONObject()
            object.set("boot_vcpus", boot)
            object.set("max_vcpus", max)
            object.set("nested", nested, default: true)
            return object.value
        }
    }

    /// The memory. Sizes are bytes.
    public struct Memory: Hashable, Sendable {
        /// How memory is added to a running VM.
        public enum HotplugMethod: String, Hashable, Sendable {
            /// As modules, in steps of 128 MiB; they go only at a reboot.
            case acpi = "Acpi"
            /// By virtio-mem, both ways.
            case virtioMem = "VirtioMem"
        }

        /// What the VM boots with.
        public var size: UInt64
        /// How it grows.
        public var hotplugMethod = HotplugMethod.acpi
        /// By how much it can grow.
        public var hotplugSize: UInt64?
        /// Whether other processes can map it, as vhost-user devices need.
        public var isShared = false
        /// Whether equal pages are merged with those of other VMs.
        public var isMergeable = false
        /// Whether it is of huge pages.
        public var usesHugePages = false
        /// The size of a huge page; nil for the host's default.
        public var hugePageSize: UInt64?
        /// Whether all of it is allocated at the start.
        public var isPrefaulted = false
        /// Whether transparent huge pages are used.
        public var usesTransparentHugePages = true

        /// Creates a value.
        public init(size: UInt64) { self.size = size }

        /// The JSON that the API takes.
        public var json: JSONValue {
            var object = JSONObject()
            object.set("size", size)
            if hotplugMethod != .acpi { object.set("hotplug_method", hotplugMethod.rawValue) }
            object.set("hotplug_size", hotplugSize)
            object.set("shared", isShared, default: false)
            object.set("mergeable", isMergeable, default: false)
            object.set("hugepages", usesHugePages, default: false)
            object.set("hugepage_size", hugePageSize)
            object.set("prefault", isPrefaulted, default: false)
            object.set("thp", usesTransparentHugePages, default: true)
            return object.value
        }
    }

    /// What the VM boots. Paths are absolute.
    public enum Payload: Hashable, Sendable {
        /// A kernel (x86: bzImage or PVH ELF; arm64: Image), its command line and its initramfs.
        case kernel(path: String, commandLine: String?, initramfs: String?)
        /// A firmware, which finds a boot loader on a disk.
        case firmware(path: String)

        /// The JSON that the API takes.
        public var json: JSONValue {
            var object = JSONObject()
            switch self {
            case .kernel(let path, let commandLine, let initramfs):
                object.set("kernel", path)
                object.set("cmdline", commandLine)
                object.set("initramfs", initramfs)
            case .firmware(let path):
                object.set("firmware", path)
            }
            return object.value
        }
    }

    /// PCI segments and what SMBIOS tells the guest.
    public struct Platform: Hashable, Sendable {
        /// How many PCI segments there are.
        public var pciSegments: UInt16 = 1
        /// OEM strings, which systemd in the guest reads credentials from.
        public var oemStrings: [String] = []

        /// One segment and nothing to tell.
        public init(pciSegments: UInt16 = 1, oemStrings: [String] = []) {
            self.pciSegments = pciSegments
            self.oemStrings = oemStrings
        }

        /// The JSON that the API takes; nil when all is as it is anyway.
        public var json: JSONValue? {
            var object = JSONObject()
            object.set("num_pci_segments", pciSegments, default: 1)
            object.set("oem_strings", oemStrings.map(JSONValue.string))
            guard !object.isEmpty else { return Optional.none }
            return object.value
        }
    }
}
