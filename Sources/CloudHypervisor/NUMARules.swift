import Documents

/// NUMA nodes.
extension RuleCheck {
    mutating func checkNUMA() {
        let nodes = elements("numa")
        for (path, node) in nodes { checkContents(of: node, at: path) }
        requireUnique(
            nodes.map { ("\($0.path).guest_numa_id", "\($0.value.count("guest_numa_id") ?? 0)") },
            "the node"
        )
        requireUnique(members("memory_zones", of: nodes), "the memory zone")
        requireUnique(members("pci_segments", of: nodes), "the segment")

        let zones = Set((config["memory"]?.present("zones")?.array ?? []).compactMap { $0["id"]?.string })
        for (path, zone) in members("memory_zones", of: nodes) where !zones.contains(zone) {
            add(path, "there is no '\(zone)' in memory.zones")
        }
        for (path, node) in nodes {
            let segments = node.present("pci_segments")?.array ?? []
            if segments.contains(0), node.count("guest_numa_id") != 0 {
                add("\(path).pci_segments", "segment 0 belongs to node 0")
            }
        }
    }

    /// A node has either one device that initiates transfers, or CPUs or memory.
    private mutating func checkContents(of node: JSONValue, at path: String) {
        let lists = ["cpus", "memory_zones"].filter { node.present($0) != nil }
        if let device = node.present("device_id")?.string {
            if device.isEmpty { add("\(path).device_id", "it is empty") }
            if !lists.isEmpty {
                add("\(path).device_id", "a node with a device has neither cpus nor memory_zones")
            }
        } else if lists.isEmpty {
            add(path, "a node needs 'cpus', 'memory_zones' or a 'device_id'")
        }
        for name in lists where node[name]?.array?.isEmpty == true {
            add("\(path).\(name)", "the list is empty")
        }
    }

    private func members(_ name: String, of nodes: [(path: String, value: JSONValue)]) -> [(
        path: String, value: String
    )] {
        nodes.flatMap { node in
            (node.value.present(name)?.array ?? []).enumerated().map { index, element in
                ("\(node.path).\(name)[\(index)]", element.string ?? element.text)
            }
        }
    }
}
