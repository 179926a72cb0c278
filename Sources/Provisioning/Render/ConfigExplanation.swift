import CloudHypervisor
import Documents
import ImageBackend
import OCI
import Snapshots
import Store
import SystemPackage

/// One line of what is said of a config: what was decided, and why.
public struct ConfigFact: Sendable, Hashable, Codable {
    /// What it is about: a member of the request, or a decision.
    public var subject: String
    /// What was decided, in words.
    public var value: String
    /// Where it comes from, or why: `request`, `vms.defaults`, `image`, or words.
    public var reason: String
}

/// Tells where each part of a config comes from.
struct ConfigExplanation {
    /// The request as it is written, with nothing filled in.
    let asked: VMRequest
    let settings: VMSettings
    let image: VMConfiguration
    let binding: VMRecord?
    let renderer: ConfigRenderer
    let config: RenderedConfig

    /// Everything there is to say, in the order of the config.
    var facts: [ConfigFact] {
        basics + memory + disks + devices + plan
    }

    private var filled: VMRequest {
        var request = asked
        request.fill(from: settings.defaults)
        return request
    }

    /// A member that the request or the settings may give, else a fallback.
    private func fact<Value>(
        _ subject: String,
        _ path: KeyPath<VMRequest, Value?>,
        fallback: String,
        _ text: (Value) -> String
    ) -> ConfigFact {
        if let value = asked[keyPath: path] {
            return ConfigFact(subject: subject, value: text(value), reason: "request")
        }
        if let value = settings.defaults[keyPath: path] {
            return ConfigFact(subject: subject, value: text(value), reason: "vms.defaults")
        }
        return ConfigFact(subject: subject, value: fallback, reason: "built in")
    }

    private var basics: [ConfigFact] {
        let bound = binding.map { "bound to \($0.image)" } ?? "what \(asked.image) means now"
        return [
            ConfigFact(subject: "name", value: asked.name, reason: "request"),
            ConfigFact(subject: "image", value: image.image.description, reason: bound),
            fact("cpus", \.cpus, fallback: "\(VMSettings.Fallback.cpus)") { "\($0)" },
            fact("maxCpus", \.maxCpus, fallback: "as cpus") { "\($0)" },
        ]
    }

    private var memory: [ConfigFact] {
        [
            fact(
                "memory",
                \.memory.size,
                fallback: ByteCount.text(VMSettings.Fallback.memory),
                ByteCount.text
            ),
            fact("memory.hugepages", \.memory.usesHugePages, fallback: "false") { "\($0)" },
            fact("memory.shared", \.memory.isShared, fallback: "false") { "\($0)" },
            fact("memory.hotplugSize", \.memory.hotplugSize, fallback: "none", ByteCount.text),
        ]
    }

    private var disks: [ConfigFact] {
        let size = fact(
            "disk.size",
            \.diskSize,
            fallback: ByteCount.text(VMSettings.Fallback.diskSize),
            ByteCount.text
        )
        return [size, fact("disk.direct", \.isDiskDirect, fallback: "true") { "\($0)" }]
            + (filled.dataDisks ?? []).map { disk in
                ConfigFact(
                    subject: "dataDisks",
                    value: "\(disk.name): \(ByteCount.text(disk.size)), \(disk.content.rawValue)"
                        + (disk.mount.map { ", at \($0)" } ?? ""),
                    reason: asked.dataDisks == nil ? "vms.defaults" : "request"
                )
            }
    }

    private var devices: [ConfigFact] {
        var facts: [ConfigFact] = []
        let queues = "one pair per cpu up to \(Queues.most), since the hypervisor makes the tap"
        for (index, net) in (filled.nets ?? []).enumerated() {
            let mac = renderer.macAddress(of: net, index, filled).description
            let reason = net.mac == nil ? "derived from the VM's name and this folder of VMs" : "request"
            facts.append(ConfigFact(subject: "nets[\(index)].mac", value: mac, reason: reason))
            let (pairs, why) =
                switch (net.queuePairs, net.tap) {
                case (let pairs?, _): ("\(pairs)", asked.nets == nil ? "vms.defaults" : "request")
                case (nil, let tap?):
                    ("1", "\(tap) is the host's, and takes more only if it was made for that")
                case (nil, nil):
                    ("\(Queues.count(bootCPUs: filled.cpus ?? VMSettings.Fallback.cpus))", queues)
                }
            facts.append(ConfigFact(subject: "nets[\(index)].queues", value: pairs, reason: why))
        }
        facts.append(fact("serial", \.serial, fallback: "File") { $0.rawValue })
        facts.append(fact("console", \.console, fallback: "Off") { $0.rawValue })
        facts.append(fact("watchdog", \.watchdog, fallback: "false") { "\($0)" })
        facts.append(fact("userData", \.userData, fallback: "none") { $0.description })
        facts.append(kernel)
        if filled.patch != nil {
            let reason =
                switch (asked.patch, settings.defaults.patch) {
                case (nil, _): "vms.defaults"
                case (_, nil): "request"
                case (_, _): "vms.defaults, then request"
                }
            facts.append(ConfigFact(subject: "cloudHypervisor", value: "a merge patch", reason: reason))
        }
        return facts
    }

    private var kernel: ConfigFact {
        if let profile = asked.kernelProfile {
            return ConfigFact(subject: "kernel", value: "the boot profile \(profile)", reason: "request")
        }
        if let profile = settings.defaults.kernelProfile {
            return ConfigFact(subject: "kernel", value: "the boot profile \(profile)", reason: "vms.defaults")
        }
        if let boot = image.boot {
            return ConfigFact(subject: "kernel", value: boot.kernelPath.string, reason: "image")
        }
        return ConfigFact(
            subject: "kernel",
            value: "the boot profile default",
            reason: "the image has no kernel with an initramfs"
        )
    }

    private var plan: [ConfigFact] {
        let attached = config.status
        var facts = [
            ConfigFact(
                subject: "layers",
                value: attached.attachment == "merged"
                    ? "merged: \(image.keys.count) layers on one disk"
                    : "disks: \(attached.disks) for \(image.keys.count) layers",
                reason: attached.reason
            ),
            ConfigFact(
                subject: "PCI segments",
                value: "\(config.segments)",
                reason: config.segments == 1
                    ? "all devices fit on one"
                    : "\(Limits.devicesPerSegment) devices fit on one; layers are on segments of their own"
            ),
        ]
        facts += config.limits.map {
            ConfigFact(subject: $0.subject, value: "\($0.used) of \($0.limit)", reason: "limit")
        }
        return facts
    }
}

extension RenderedConfig {
    /// What status and explanation say of the layers.
    var status: VMStatus.Layers {
        switch layers {
        case .each(let storage): .init(attachment: "disks", disks: storage.count, reason: choice)
        case .merged: .init(attachment: "merged", disks: 1, reason: choice)
        }
    }
}
