import Documents

/// PCI segments and slots.
extension RuleCheck {
    mutating func checkPCI() {
        let segments = config.present("platform")?.count("num_pci_segments") ?? 1
        guard (1...UInt64(Limits.pciSegments)).contains(segments) else {
            return add(
                "platform.num_pci_segments",
                "it is \(segments), and a VM has 1 to \(Limits.pciSegments) segments"
            )
        }
        checkSegmentNumbers(below: segments)
        checkIOMMUSegments()
        checkSlots()
        checkCapacity(segments)
        checkAddresses(segments)
    }

    /// Disks that a VM boots with on segment 0 have their registers below 4 GiB, where little room is left when many
    /// segments share it.
    private mutating func checkAddresses(_ segments: UInt64) {
        #if arch(x86_64)
            let disks = elements("disks").count { ($0.value.count("pci_segment") ?? 0) == 0 }
            // Segments that are not listed have the weight 1; a weight of 0 is a mistake of its own.
            var weights: [UInt64: Double] = [:]
            for (_, segment) in elements("pci_segments") {
                let weight = segment.count("mmio32_aperture_weight") ?? 1
                weights[segment.count("pci_segment") ?? 0] = Double(max(1, weight))
            }
            weights = weights.filter { $0.key < segments }
            let sum = weights.values.reduce(Double(segments) - Double(weights.count), +)
            let share = Double(Limits.addresses32) * (weights[0] ?? 1) / sum
            let fit = Int(share) / Limits.diskAddresses32
            if disks > fit {
                add(
                    "platform.num_pci_segments",
                    "with \(segments) segments there are addresses below 4 GiB for \(fit) disks on segment 0, and it has "
                        + "\(disks)"
                )
            }
        #endif
    }

    private mutating func checkSegmentNumbers(below segments: UInt64) {
        func check(_ path: String, _ segment: UInt64?) {
            guard let segment, segment >= segments else { return }
            add(
                path,
                "there is no segment \(segment): platform.num_pci_segments is \(segments), counted from 0"
            )
        }
        for (path, device) in devices { check("\(path).pci_segment", device.count("pci_segment")) }
        let weights = elements("pci_segments")
        for (path, segment) in weights {
            check("\(path).pci_segment", segment.count("pci_segment"))
            for name in ["mmio32_aperture_weight", "mmio64_aperture_weight"] where segment.count(name) == 0 {
                add("\(path).\(name)", "it has to be at least 1")
            }
        }
        requireUnique(
            weights.map { ("\($0.path).pci_segment", "\($0.value.count("pci_segment") ?? 0)") },
            "the segment"
        )
        func checkList(_ path: String, _ list: JSONValue?) {
            for (index, segment) in (list?.array ?? []).enumerated() {
                check("\(path)[\(index)]", segment.integer.map { UInt64(clamping: $0) })
            }
        }
        checkList("platform.iommu_segments", config.present("platform")?.present("iommu_segments"))
        for (path, node) in elements("numa") {
            checkList("\(path).pci_segments", node.present("pci_segments"))
        }
    }

    /// All devices on a segment behind the IOMMU have to be behind it.
    private mutating func checkIOMMUSegments() {
        let guarded = Set((iommuSegments ?? []).compactMap(\.integer))
        for (path, device) in devices {
            let segment = device["pci_segment"]?.integer ?? 0
            if guarded.contains(segment), !device.flag("iommu") {
                add("\(path).iommu", "segment \(segment) is in platform.iommu_segments: it has to be true")
            }
        }
    }

    private var iommuSegments: [JSONValue]? { config.present("platform")?.present("iommu_segments")?.array }

    private mutating func checkSlots() {
        var slots: [(path: String, value: String)] = []
        for (path, device) in devices {
            guard let slot = device.count("pci_device_id") else { continue }
            if !(1...UInt64(Limits.devicesPerSegment)).contains(slot) {
                add("\(path).pci_device_id", "it is \(slot), and slots are 1 to \(Limits.devicesPerSegment)")
            }
            slots.append(("\(path).pci_device_id", "\(device.count("pci_segment") ?? 0):\(slot)"))
        }
        requireUnique(slots, "the slot")
    }

    /// Counts the devices of each segment, those included that a config does not name.
    private mutating func checkCapacity(_ segments: UInt64) {
        var count: [UInt64: Int] = [0: unnamedDevices]
        for (path, device) in devices where path != "console" || device["mode"]?.string != "Off" {
            count[device.count("pci_segment") ?? 0, default: 0] += 1
        }
        for (segment, devices) in count.sorted(by: { $0.key < $1.key })
        where segment < segments && devices > Limits.devicesPerSegment {
            add(
                "platform.num_pci_segments",
                "PCI segment \(segment) has \(devices) devices, and \(Limits.devicesPerSegment) fit; spread them by "
                    + "pci_segment"
            )
        }
    }

    /// Devices on segment 0 that have no object of their own in the config.
    private var unnamedDevices: Int {
        var count = 0
        // Without an object, both are there with their defaults.
        if config["rng"] == nil { count += 1 }
        if config["console"] == nil { count += 1 }
        for flag in ["watchdog", "pvpanic"] where config.flag(flag) { count += 1 }
        let hasIOMMU =
            config.flag("iommu") || iommuSegments != nil || devices.contains { $0.value.flag("iommu") }
        if hasIOMMU { count += 1 }
        if let memory = config["memory"], memory["hotplug_method"]?.string == "VirtioMem" {
            let regions = [memory] + (memory.present("zones")?.array ?? [])
            count += regions.count { ($0.count("hotplug_size") ?? 0) > 0 }
        }
        return count
    }
}
