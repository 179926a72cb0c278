import Foundation

/// Judges a rendered config as Cloud Hypervisor v51 would, and as a guest of the contract needs it.
///
/// It knows nothing of the renderer, nor of the rules that the product checks by: fields, defaults and limits are written
/// down here a second time, from the hypervisor's sources (`vmm/src/vm_config.rs`, `config.rs`, `device_manager.rs`).
public struct HypervisorCheck {
    /// Everything wrong with a config; empty when it boots.
    public static func problems(_ bytes: [UInt8]) -> [String] {
        guard let value = try? JSONSerialization.jsonObject(with: Data(bytes)),
            let config = value as? [String: Any]
        else { return ["it is no JSON object"] }
        var check = HypervisorCheck(config: config)
        check.run()
        // HTTP bodies up to v53.
        if bytes.count > 51_200 { check.found.append("it has \(bytes.count) bytes") }
        return check.found
    }

    /// The same for a config that lies where a hypervisor may take it: what it names is there as well.
    public static func problems(ofPublished bytes: [UInt8]) -> [String] {
        let found = problems(bytes)
        guard let value = try? JSONSerialization.jsonObject(with: Data(bytes)), let config = value as? Object
        else {
            return found
        }
        return found + FilesCheck(config).problems
    }

    private typealias Object = [String: Any]
    private let config: Object
    private var found: [String] = []

    private init(config: Object) { self.config = config }

    private static let topLevel: [String: Set<String>] = [
        "cpus": [
            "boot_vcpus", "max_vcpus", "topology", "kvm_hyperv", "max_phys_bits", "affinity", "features",
            "nested",
        ],
        "memory": [
            "size", "mergeable", "hotplug_method", "hotplug_size", "hotplugged_size", "shared", "hugepages",
            "hugepage_size", "prefault", "zones", "thp",
        ],
        "payload": ["kernel", "cmdline", "initramfs", "firmware"],
        "disks": [
            "id", "iommu", "pci_segment", "path", "readonly", "direct", "num_queues", "queue_size",
            "vhost_user",
            "vhost_socket", "rate_limiter_config", "rate_limit_group", "serial", "queue_affinity",
            "image_type",
            "backing_files", "sparse",
        ],
        "net": [
            "id", "iommu", "pci_segment", "tap", "ip", "mask", "mac", "host_mac", "mtu", "num_queues",
            "queue_size",
            "vhost_user", "vhost_socket", "vhost_mode", "rate_limiter_config", "offload_tso", "offload_ufo",
            "offload_csum",
        ],
        "rng": ["src", "iommu"], "balloon": ["size", "deflate_on_oom", "free_page_reporting"],
        "fs": ["id", "pci_segment", "tag", "socket", "num_queues", "queue_size"],
        "pmem": ["id", "iommu", "pci_segment", "file", "size", "discard_writes"],
        "serial": ["mode", "file", "socket"], "console": ["mode", "file", "socket", "iommu"],
        "vsock": ["id", "iommu", "pci_segment", "cid", "socket"],
        "platform": [
            "num_pci_segments", "iommu_segments", "iommu_address_width_bits", "serial_number", "uuid",
            "oem_strings", "vfio_p2p_dma", "tdx",
        ],
        "rate_limit_groups": ["id", "rate_limiter_config"], "landlock_rules": ["path", "access"],
    ]
    private static let flags: Set<String> = ["watchdog", "pvpanic", "iommu", "landlock_enable"]
    private static let lists: Set<String> = [
        "disks", "net", "fs", "pmem", "rate_limit_groups", "landlock_rules",
    ]

    private mutating func run() {
        checkNames()
        checkMachine()
        checkDisks()
        checkNets()
        checkConsoles()
        checkSegments()
        checkGuestContract()
    }

    // MARK: Reading

    private func objects(_ key: String) -> [Object] { config[key] as? [Object] ?? [] }
    private func number(_ object: Object, _ key: String, _ standard: Int = 0) -> Int {
        (object[key] as? NSNumber)?.intValue ?? standard
    }
    private func flag(_ object: Object, _ key: String) -> Bool {
        (object[key] as? NSNumber)?.boolValue ?? false
    }
    private var bootCPUs: Int { number(config["cpus"] as? Object ?? [:], "boot_vcpus", 1) }
    private mutating func require(_ holds: Bool, _ problem: String) {
        if !holds { found.append(problem) }
    }

    // MARK: Rules

    /// Unknown fields are dropped without an error, and null is one for most.
    private mutating func checkNames() {
        for (key, value) in config {
            guard let known = Self.topLevel[key] else {
                require(Self.flags.contains(key) && value is NSNumber, "\(key) is no field of v51")
                continue
            }
            let members = Self.lists.contains(key) ? objects(key) : [value as? Object].compactMap(\.self)
            require(!members.isEmpty || Self.lists.contains(key), "\(key) is no object")
            for member in members {
                for (name, value) in member {
                    require(known.contains(name), "\(key).\(name) is no field of v51")
                    require(!(value is NSNull), "\(key).\(name) is null")
                }
            }
        }
    }

    private mutating func checkMachine() {
        let cpus = config["cpus"] as? Object ?? [:]
        require(bootCPUs >= 1 && number(cpus, "max_vcpus", 1) >= bootCPUs, "more vCPUs at boot than at most")
        let memory = config["memory"] as? Object ?? [:]
        let page = flag(memory, "hugepages") ? 2 << 20 : 4096
        let size = number(memory, "size")
        require(size > 0 && size.isMultiple(of: page), "memory of \(size) bytes")
        let hotplug = number(memory, "hotplug_size")
        require(hotplug.isMultiple(of: 128 << 20), "hotplug_size of \(hotplug) bytes")
        if let vsock = config["vsock"] as? Object {
            let cid = number(vsock, "cid")
            require(cid > 2 && cid < 4_294_967_295, "vsock.cid \(cid)")
            require((vsock["socket"] as? String)?.hasPrefix("/") == true, "vsock.socket is not absolute")
        }
        if let balloon = config["balloon"] as? Object {
            require(number(balloon, "size") < size, "a balloon as large as the memory")
        }
        let payload = config["payload"] as? Object ?? [:]
        for key in ["kernel", "initramfs"] {
            require((payload[key] as? String)?.hasPrefix("/") == true, "payload.\(key) is no absolute path")
        }
        require(payload["firmware"] == nil, "a kernel and a firmware")
    }

    private mutating func checkDisks() {
        var paths: Set<String> = []
        var serials: Set<String> = []
        for disk in objects("disks") {
            let path = disk["path"] as? String ?? ""
            let serial = disk["serial"] as? String ?? ""
            require(path.hasPrefix("/") && !path.contains("/../"), "the disk's path '\(path)'")
            require(paths.insert(path).inserted, "\(path) twice")
            require((1...20).contains(serial.utf8.count), "the serial '\(serial)'")
            require(serials.insert(serial).inserted, "the serial \(serial) twice")
            // Detected instead of said, the first sector cannot be written.
            require(disk["image_type"] as? String == "Raw", "\(serial) has no image_type Raw")
            let queues = number(disk, "num_queues", 1)
            if flag(disk, "readonly") {
                require(queues == 1, "\(serial) is read-only and has \(queues) queues")
                require(!flag(disk, "direct"), "\(serial) is shared and bypasses the page cache")
            } else {
                require(
                    (1...bootCPUs).contains(queues),
                    "\(serial) has \(queues) queues for \(bootCPUs) vCPUs"
                )
                require((disk["sparse"] as? NSNumber)?.boolValue ?? true, "\(serial) is not sparse")
            }
        }
    }

    private mutating func checkNets() {
        var taps: Set<String> = []
        for net in objects("net") {
            let queues = number(net, "num_queues", 2)
            require(queues >= 2 && queues.isMultiple(of: 2), "net with \(queues) queues")
            require(queues / 2 <= bootCPUs, "net with \(queues / 2) pairs for \(bootCPUs) vCPUs")
            if let tap = net["tap"] as? String {
                require((1...15).contains(tap.utf8.count), "the tap '\(tap)'")
                require(taps.insert(tap).inserted, "the tap \(tap) twice")
            }
            let octets = (net["mac"] as? String ?? "").split(separator: ":").compactMap {
                UInt8($0, radix: 16)
            }
            require(octets.count == 6 || net["mac"] == nil, "the address \(net["mac"] ?? "")")
            require((octets.first ?? 0) & 1 == 0, "a group's address")
        }
    }

    private mutating func checkConsoles() {
        // Without one, the console is the hypervisor's own terminal.
        require(config["console"] != nil, "no console")
        for key in ["serial", "console"] {
            guard let device = config[key] as? Object else { continue }
            let mode = device["mode"] as? String ?? ""
            require(["Off", "Pty", "Tty", "File", "Socket", "Null"].contains(mode), "\(key).mode '\(mode)'")
            if mode == "File" {
                require((device["file"] as? String)?.hasPrefix("/") == true, "\(key) without its file")
            }
            if mode == "Socket" {
                require(key == "serial" && device["socket"] is String, "\(key) as a socket")
            }
        }
    }

    private mutating func checkSegments() {
        let segments = number(config["platform"] as? Object ?? [:], "num_pci_segments", 1)
        require((1...96).contains(segments), "\(segments) PCI segments")
        var count = Array(repeating: 0, count: max(1, segments))
        var ids: Set<String> = []
        let single = ["vsock", "balloon"].compactMap { config[$0] as? Object }
        for device in ["disks", "net", "fs", "pmem"].flatMap(objects) + single {
            let segment = number(device, "pci_segment")
            guard segment < segments else {
                found.append("a device on segment \(segment) of \(segments)")
                continue
            }
            count[segment] += 1
            guard let id = device["id"] as? String else { continue }
            require(ids.insert(id).inserted, "the id \(id) twice")
            require(!id.hasPrefix("__"), "the id \(id)")
        }
        // The entropy source is always there, the console unless it is off.
        count[0] += 1
        if (config["console"] as? Object)?["mode"] as? String != "Off" { count[0] += 1 }
        count[0] += ["watchdog", "pvpanic", "iommu"].count { flag(config, $0) }
        if (config["memory"] as? Object)?["hotplug_method"] as? String == "VirtioMem" { count[0] += 1 }
        for (segment, devices) in count.enumerated() {
            require(devices <= 31, "\(devices) devices on segment \(segment)")
        }
        // Disks of segment 0 have 32-bit BARs of 512 KiB in its share of 640 MiB.
        let disks = objects("disks").count { number($0, "pci_segment") == 0 }
        require(disks <= 1280 / max(1, segments), "no 32-bit addresses for \(disks) disks")
    }

    /// What the initramfs makes of it: every name on the command line is a disk, and every layer is named.
    private mutating func checkGuestContract() {
        let line = (config["payload"] as? Object)?["cmdline"] as? String ?? ""
        require(line.utf8.count < 2048, "a command line of \(line.utf8.count) bytes")
        let words = line.split(separator: " ").map(String.init)
        func value(_ key: String) -> [String] {
            words.filter { $0.hasPrefix("\(key)=") }.map { String($0.dropFirst(key.count + 1)) }
        }
        require(value("boot") == ["cocoon-overlay"], "boot=\(value("boot"))")
        let disks = objects("disks")
        let layers = disks.filter {
            let serial = $0["serial"] as? String ?? ""
            return serial == "merged" || serial.hasPrefix("layer") && Int(serial.dropFirst(5)) != nil
        }
        let named = value("cocoon.layers").first?.split(separator: ",").map(String.init) ?? []
        let expected = layers.compactMap { $0["serial"] as? String }.reversed()
        require(named == Array(expected), "cocoon.layers=\(named) for \(Array(expected))")
        require(!layers.isEmpty && layers.allSatisfy { flag($0, "readonly") }, "a layer that can be written")
        let writable = value("cocoon.cow").first ?? ""
        require(
            disks.contains { $0["serial"] as? String == writable && !flag($0, "readonly") },
            "cocoon.cow=\(writable) is no writable disk"
        )
        let options =
            "lowerdir=" + named.map { "/.layers/\($0)" }.joined(separator: ":")
            + ",upperdir=/.cow/upper,workdir=/.cow/work"
        require(options.utf8.count < 4096, "overlay options of \(options.utf8.count) bytes")
        require(value("ip").count <= 1, "several addresses for one kernel")
    }
}
