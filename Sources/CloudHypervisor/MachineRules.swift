import Documents

/// Payload, CPUs and memory.
extension RuleCheck {
    mutating func checkPayload() {
        guard let payload = config.present("payload") else {
            return add("", "'payload' is missing: a VM boots either a kernel or a firmware")
        }
        switch (payload.present("kernel"), payload.present("firmware")) {
        case (nil, nil): add("payload", "a VM boots either a kernel or a firmware, and neither is given")
        case (.some, .some): add("payload", "a VM boots either a kernel or a firmware, and both are given")
        default: break
        }
        guard let line = payload.present("cmdline")?.string else { return }
        // The kernel's buffer holds a NUL as well.
        if line.utf8.count >= Limits.kernelCommandLine {
            add(
                "payload.cmdline",
                "it has \(line.utf8.count) bytes, and the kernel takes \(Limits.kernelCommandLine - 1)"
            )
        }
        // The loader refuses anything else (linux-loader, `Cmdline`).
        if !line.utf8.allSatisfy({ (0x20...0x7E).contains($0) }) {
            add("payload.cmdline", "it holds a character that is not printable ASCII")
        }
    }

    mutating func checkCPUs() {
        guard let cpus = config["cpus"] else { return }
        if bootVCPUs == 0 { add("cpus.boot_vcpus", "a VM has at least one vCPU") }
        if maxVCPUs < bootVCPUs {
            add("cpus.max_vcpus", "it is \(maxVCPUs), less than the \(bootVCPUs) that the VM boots with")
        }
        if maxVCPUs > Limits.vCPUs {
            add("cpus.max_vcpus", "it is \(maxVCPUs), and \(Limits.vCPUs) is the limit")
        }
        if let topology = cpus.present("topology") { checkTopology(topology) }

        let pinned = (cpus.present("affinity")?.array ?? []).enumerated().map {
            (path: "cpus.affinity[\($0.offset)]", vcpu: $0.element.count("vcpu") ?? 0)
        }
        for (path, vcpu) in pinned where vcpu >= maxVCPUs {
            add("\(path).vcpu", "there is no vCPU \(vcpu): the VM has at most \(maxVCPUs), counted from 0")
        }
        requireUnique(pinned.map { ("\($0.path).vcpu", "\($0.vcpu)") }, "vCPU")
    }

    private mutating func checkTopology(_ topology: JSONValue) {
        let parts = ["threads_per_core", "cores_per_die", "dies_per_package", "packages"]
        let counts = parts.map { topology.count($0) ?? 0 }
        for (part, count) in zip(parts, counts) where count == 0 {
            add("cpus.topology.\(part)", "it has to be at least 1")
        }
        // Four 16-bit factors always fit.
        let product = counts.reduce(1, *)
        if product != maxVCPUs, !counts.contains(0) {
            add("cpus.topology", "its parts make \(product) vCPUs, and max_vcpus is \(maxVCPUs)")
        }
        #if arch(x86_64)
            if counts[0] > 2 {
                add("cpus.topology.threads_per_core", "it is \(counts[0]), and x86 has at most 2")
            }
        #elseif arch(arm64)
            if counts[2] > 1 { add("cpus.topology.dies_per_package", "it is \(counts[2]), and arm64 has 1") }
        #endif
    }

    /// The RAM that the VM boots with, in bytes, zones and what is plugged in from the start included.
    var ram: UInt64 {
        guard let memory = config["memory"] else { return 512 << 20 }
        let regions = [memory] + memoryZones.map(\.value)
        let sizes = ["size", "hotplugged_size"].flatMap { name in regions.compactMap { $0.count(name) } }
        return sizes.reduce(0) { sum, size in
            let (total, overflows) = sum.addingReportingOverflow(size)
            return overflows ? .max : total
        }
    }

    /// Whether another process can map all of the guest's memory, as vhost-user devices have to.
    var isMemoryShared: Bool {
        func isShared(_ value: JSONValue) -> Bool { value.flag("shared") || value.flag("hugepages") }
        guard memoryZones.isEmpty else { return memoryZones.allSatisfy { isShared($0.value) } }
        return config["memory"].map(isShared) ?? false
    }

    private var memoryZones: [(path: String, value: JSONValue)] {
        (config["memory"]?.present("zones")?.array ?? []).enumerated().map {
            ("memory.zones[\($0.offset)]", $0.element)
        }
    }

    mutating func checkMemory() {
        guard let memory = config["memory"] else { return }
        let usesVirtioMem = memory["hotplug_method"]?.string == "VirtioMem"
        checkPages(memory, at: "memory")
        checkHotplug(memory, at: "memory", usesVirtioMem: usesVirtioMem)
        for (path, zone) in memoryZones {
            checkPages(zone, at: path)
            checkHotplug(zone, at: path, usesVirtioMem: usesVirtioMem)
            if zone.count("size") == 0 { add("\(path).size", "a zone has at least one page") }
            if zone.present("hotplug_size") != nil, !usesVirtioMem {
                add("\(path).hotplug_size", "zones grow only with the hotplug_method VirtioMem")
            }
        }
        if memory.present("zones") != nil {
            if memory.count("size") != 0 { add("memory.size", "it has to be 0 where zones say the size") }
            if memory.present("hotplug_size") != nil || memory.present("hotplugged_size") != nil {
                add("memory.hotplug_size", "where there are zones, each says its own")
            }
            if memoryZones.isEmpty { add("memory.zones", "the list is empty; leave it out") }
        } else if memory.count("size") == 0 {
            add("memory.size", "a VM has at least one page of memory")
        }
    }

    private mutating func checkPages(_ memory: JSONValue, at path: String) {
        let hugePages = memory.flag("hugepages")
        if let size = memory.count("hugepage_size") {
            if !hugePages { add("\(path).hugepage_size", "it needs hugepages to be true") }
            if !size.isPowerOfTwo { add("\(path).hugepage_size", "it is \(size), not a power of two") }
        }
        if memory.flag("shared"), memory.flag("mergeable") {
            add("\(path).mergeable", "shared memory cannot be merged")
        }
        let page = hugePages ? memory.count("hugepage_size") ?? 2 << 20 : 4096
        guard page.isPowerOfTwo else { return }
        for name in ["size", "hotplug_size", "hotplugged_size"] {
            guard let size = memory.count(name), !size.isMultiple(of: page) else { continue }
            add("\(path).\(name)", "it is \(size) bytes, not a multiple of the page size, \(page)")
        }
    }

    private mutating func checkHotplug(_ memory: JSONValue, at path: String, usesVirtioMem: Bool) {
        let limit = memory.count("hotplug_size") ?? 0
        if let plugged = memory.count("hotplugged_size"), plugged > 0 {
            if !usesVirtioMem {
                add("\(path).hotplugged_size", "it needs the hotplug_method VirtioMem")
            }
            if plugged > limit {
                add(
                    "\(path).hotplugged_size",
                    "it is \(plugged) bytes, more than the hotplug_size of \(limit)"
                )
            }
        }
        if usesVirtioMem, !limit.isMultiple(of: Limits.hotplugAlignment) {
            add("\(path).hotplug_size", "it is \(limit) bytes, and virtio-mem needs a multiple of 128 MiB")
        }
    }
}
