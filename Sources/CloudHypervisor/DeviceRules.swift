import Documents

/// Consoles and the devices of which a VM has one or few.
extension RuleCheck {
    mutating func checkConsoles() {
        for name in ["serial", "console", "debug_console"] {
            guard let console = config[name], let mode = console["mode"]?.string else { continue }
            // The hypervisor panics on a mode without what it needs.
            if mode == "File", console.present("file") == nil { add(name, "the mode File needs a 'file'") }
            guard mode == "Socket" else { continue }
            if name != "serial" {
                add("\(name).mode", "only the serial port can be a Socket")
            } else if console.present("socket") == nil {
                add(name, "the mode Socket needs a 'socket'")
            }
        }
    }

    mutating func checkOtherDevices() {
        if let vsock = config.present("vsock"), let cid = vsock.count("cid"),
            [0, 1, 2, UInt64(UInt32.max)].contains(cid)
        {
            add("vsock.cid", "\(cid) is reserved; a guest's is 3 to \(UInt32.max - 1)")
        }
        if let size = config.present("balloon")?.count("size"), size >= ram {
            add("balloon.size", "it is \(size) bytes, and has to be less than the memory of \(ram)")
        }
        checkSharedMemoryDevices()
        checkHostDevices()
        for (path, pmem) in elements("pmem") {
            guard let size = pmem.count("size"), !size.isMultiple(of: Limits.pmemAlignment) else { continue }
            add("\(path).size", "it is \(size) bytes, not a multiple of 2 MiB")
        }
        for (path, rule) in elements("landlock_rules") {
            guard let access = rule["access"]?.string else { continue }
            if access.isEmpty || !access.allSatisfy({ "rw".contains($0) }) {
                add("\(path).access", "'\(access)' is none of 'r', 'w' and 'rw'")
            }
        }
    }

    /// Devices in other processes, which map the guest's memory.
    private mutating func checkSharedMemoryDevices() {
        for (path, fs) in elements("fs") {
            if let tag = fs["tag"]?.string, !(1...Limits.fileSystemTag).contains(tag.utf8.count) {
                add("\(path).tag", "'\(tag)' is not 1 to \(Limits.fileSystemTag) bytes")
            }
            let queues = fs.count("num_queues") ?? 1
            if !(1...max(1, bootVCPUs)).contains(queues) {
                add(
                    "\(path).num_queues",
                    "it is \(queues), and has to be 1 to the number of vCPUs, \(bootVCPUs)"
                )
            }
            checkQueueSize(of: fs, at: path)
        }
        for (path, device) in elements("generic_vhost_user") {
            let sizes = device["queue_sizes"]?.array ?? []
            if sizes.isEmpty { add("\(path).queue_sizes", "it is empty") }
            for (index, size) in sizes.enumerated()
            where size.integer.map({ UInt64(clamping: $0).isPowerOfTwo }) != true {
                add("\(path).queue_sizes[\(index)]", "it is not a power of two")
            }
        }
        for list in ["fs", "generic_vhost_user", "user_devices"] {
            for (path, device) in elements(list) {
                if device.flag("iommu") { add("\(path).iommu", "such a device cannot be behind the IOMMU") }
                requireSharedMemory(for: path)
            }
        }
    }

    /// Devices of the host that the guest gets.
    private mutating func checkHostDevices() {
        let devices = elements("devices")
        requireUnique(
            devices.compactMap { device in device.value["path"]?.string.map { ("\(device.path).path", $0) } },
            "path"
        )
        let allowsPeerToPeer = config.present("platform")?["vfio_p2p_dma"]?.bool ?? true
        for (path, device) in devices {
            if device.present("x_nv_gpudirect_clique") != nil, !allowsPeerToPeer {
                add("\(path).x_nv_gpudirect_clique", "it needs platform.vfio_p2p_dma to be true")
            }
            for (index, bar) in (device["x_exclude_mmap_bars"]?.array ?? []).enumerated()
            where !(0...5).contains(bar.integer ?? -1) {
                add("\(path).x_exclude_mmap_bars[\(index)]", "BARs are 0 to 5")
            }
        }
        for (path, vdpa) in elements("vdpa") where vdpa.count("num_queues") == 0 {
            add("\(path).num_queues", "it has to be at least 1")
        }
    }

    mutating func checkPlatform() {
        guard let platform = config.present("platform") else { return }
        for (old, new) in [("serial_number", "system_serial_number"), ("uuid", "system_uuid")]
        where platform[old] != nil && platform[new] != nil {
            add("platform.\(old)", "it is the old name of '\(new)', and both are given")
        }
        for name in ["uuid", "system_uuid"] {
            guard let text = platform.present(name)?.string, !Self.isUUID(text) else { continue }
            add("platform.\(name)", "'\(text)' is not a UUID")
        }
        if let width = platform.count("iommu_address_width_bits"), width > 64 {
            add("platform.iommu_address_width_bits", "it is \(width), and 64 is the limit")
        }
    }

    /// `8-4-4-4-12` hex digits.
    private static func isUUID(_ text: String) -> Bool {
        let groups = text.split(separator: "-", omittingEmptySubsequences: false)
        return groups.map(\.utf8.count) == [8, 4, 4, 4, 12]
            && groups.allSatisfy { $0.allSatisfy { $0.isASCII && $0.isHexDigit } }
    }
}
