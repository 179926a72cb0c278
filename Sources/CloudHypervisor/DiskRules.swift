import Documents

/// Disks and the limits on them.
extension RuleCheck {
    mutating func checkRateLimitGroups() {
        for (path, group) in elements("rate_limit_groups") {
            if group["id"]?.string?.isEmpty == true { add("\(path).id", "it is empty") }
            let limiter = group["rate_limiter_config"]
            if limiter?.present("bandwidth") == nil, limiter?.present("ops") == nil {
                add("\(path).rate_limiter_config", "it limits neither bandwidth nor ops")
            }
        }
    }

    mutating func checkDisks() {
        let disks = elements("disks")
        let groups = Set(elements("rate_limit_groups").compactMap { $0.value["id"]?.string })
        for (path, disk) in disks {
            checkBacking(of: disk, at: path)
            checkQueues(of: disk, at: path)
            if let serial = disk.present("serial")?.string, serial.utf8.count > Limits.diskSerial {
                add(
                    "\(path).serial",
                    "'\(serial)' has \(serial.utf8.count) bytes, and \(Limits.diskSerial) is the limit"
                )
            }
            if let group = disk.present("rate_limit_group")?.string {
                if disk.present("rate_limiter_config") != nil {
                    add("\(path).rate_limit_group", "a disk has either a limiter of its own or a group")
                }
                if !groups.contains(group) {
                    add("\(path).rate_limit_group", "there is no '\(group)' in rate_limit_groups")
                }
            }
        }
        requireUnique(values("path", of: disks), "path")
        requireUnique(values("serial", of: disks), "serial")
    }

    private func values(_ name: String, of elements: [(path: String, value: JSONValue)]) -> [(String, String)]
    {
        elements.compactMap { element in
            element.value.present(name)?.string.map { ("\(element.path).\(name)", $0) }
        }
    }

    private mutating func checkBacking(of disk: JSONValue, at path: String) {
        let hasSocket = disk.present("vhost_socket") != nil
        switch (disk.present("path") != nil, hasSocket) {
        case (false, false): add(path, "a disk needs a 'path'")
        case (true, true): add(path, "a disk has either a 'path' or a 'vhost_socket'")
        default: break
        }
        guard disk.flag("vhost_user") else {
            if hasSocket { add("\(path).vhost_socket", "it needs vhost_user to be true") }
            return
        }
        if !hasSocket { add("\(path).vhost_user", "it needs a 'vhost_socket'") }
        if disk.flag("iommu") { add("\(path).iommu", "a vhost-user disk cannot be behind the IOMMU") }
        for name in ["rate_limiter_config", "rate_limit_group"] where disk.present(name) != nil {
            add("\(path).\(name)", "a vhost-user disk cannot be limited here")
        }
        requireSharedMemory(for: path)
    }

    private mutating func checkQueues(of disk: JSONValue, at path: String) {
        let queues = disk.count("num_queues") ?? 1
        if queues == 0 { add("\(path).num_queues", "a disk has at least one queue") }
        if queues > bootVCPUs {
            add(
                "\(path).num_queues",
                "it is \(queues), more than the \(bootVCPUs) vCPUs that the VM boots with"
            )
        }
        checkQueueSize(of: disk, at: path)

        let pinned = (disk.present("queue_affinity")?.array ?? []).enumerated().map {
            (
                path: "\(path).queue_affinity[\($0.offset)].queue_index",
                queue: $0.element.count("queue_index") ?? 0
            )
        }
        for (place, queue) in pinned where queue >= queues {
            add(place, "there is no queue \(queue): the disk has \(queues), counted from 0")
        }
        requireUnique(pinned.map { ($0.path, "\($0.queue)") }, "queue")
    }

    /// A power of two above 2: from release 53 on checked by the hypervisor, always demanded by virtio 1.2, 2.7.
    mutating func checkQueueSize(of device: JSONValue, at path: String) {
        guard let size = device.count("queue_size"), size <= 2 || !size.isPowerOfTwo else { return }
        add("\(path).queue_size", "it is \(size), not a power of two above 2")
    }

    /// A device in another process maps the guest's memory.
    mutating func requireSharedMemory(for path: String) {
        if !isMemoryShared { add(path, "the device needs memory with shared or hugepages set to true") }
    }
}
