import CloudHypervisor
import Documents

/// Where disks sit: all on PCI segment 0 as long as they fit there beside everything else; else the layers move to
/// segments of their own, and segment 0 keeps room for devices plugged in later.
struct SegmentPlan: Equatable {
    /// How many segments the VM needs.
    let segments: Int
    /// The segment of each layer's disk, bottom first.
    let layers: [UInt16]

    /// Spreads the disks.
    ///
    /// - Parameters:
    ///   - layerCount: disks of layers.
    ///   - others: all other devices on segment 0, the writable disk among them.
    init(layerCount: Int, others: Int) throws(RequestFile.Problem) {
        guard others <= Limits.devicesPerSegment else {
            throw RequestFile.Problem(
                reason: .limitExceeded,
                message: "the VM would have \(others) devices on PCI segment 0 beside its layers, and "
                    + "\(Limits.devicesPerSegment) fit: give it fewer nets or other devices"
            )
        }
        guard layerCount + others > Limits.devicesPerSegment else {
            segments = 1
            layers = Array(repeating: 0, count: layerCount)
            return
        }
        segments = 1 + (layerCount + Limits.devicesPerSegment - 1) / Limits.devicesPerSegment
        guard segments <= Limits.pciSegments else {
            throw RequestFile.Problem(
                reason: .limitExceeded,
                message:
                    "the image has \(layerCount) layers, more than \(Limits.pciSegments) PCI segments take: build "
                    + "it with fewer"
            )
        }
        layers = (0..<layerCount).map { UInt16(1 + $0 / Limits.devicesPerSegment) }
    }

    /// How many devices of a config without disks sit on segment 0 (`vmm/src/device_manager.rs`): some are there by
    /// default, some without an object of their own.
    static func devicesOnFirstSegment(of config: JSONValue) -> Int {
        func isFirst(_ device: JSONValue) -> Bool { (device["pci_segment"]?.integer ?? 0) == 0 }
        let lists = ["net", "fs", "pmem", "devices", "user_devices", "vdpa", "generic_vhost_user"]
        var count = lists.reduce(0) { $0 + (config[$1]?.array ?? []).count(where: isFirst) }
        for name in ["vsock", "balloon"] {
            if let device = config[name], device != .null, isFirst(device) { count += 1 }
        }
        for name in ["rng", "console"] {
            let device = config[name] ?? [:]
            if isFirst(device), device["mode"]?.string != "Off" { count += 1 }
        }
        count += ["watchdog", "pvpanic", "iommu"].count { config[$0]?.bool == true }
        return count
    }
}
