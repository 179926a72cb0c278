import Documents

/// Ids: one name space for devices, memory zones and rate-limit groups.
extension RuleCheck {
    mutating func checkIdentifiers() {
        var identifiers: [(path: String, value: String)] = []
        func collect(_ path: String, _ value: JSONValue?) {
            if let id = value?.present("id")?.string { identifiers.append(("\(path).id", id)) }
        }
        for (index, zone) in (config["memory"]?.present("zones")?.array ?? []).enumerated() {
            collect("memory.zones[\(index)]", zone)
        }
        for (path, group) in elements("rate_limit_groups") { collect(path, group) }
        for (path, device) in devices { collect(path, device) }

        for (path, id) in identifiers where id.hasPrefix("__") {
            add(path, "'\(id)' starts with '__', which the hypervisor keeps for itself")
        }
        requireUnique(identifiers, "the id")
    }

    /// The lists of PCI devices in a config.
    static let deviceLists = [
        "disks", "net", "generic_vhost_user", "fs", "pmem", "devices", "user_devices", "vdpa",
    ]

    /// The PCI devices that a config names, with their places.
    var devices: [(path: String, value: JSONValue)] {
        let single = ["rng", "balloon", "console", "vsock", "rtc"].compactMap { name in
            config.present(name).map { (path: name, value: $0) }
        }
        return Self.deviceLists.flatMap { elements($0) } + single
    }
}
