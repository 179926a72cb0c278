import Archives
import Documents

/// What a VM's cloud-init finds: the NoCloud source on a disk with the label `cidata`
/// (cloudinit.readthedocs.io, "NoCloud").
struct CloudInitSeed: Sendable {
    /// The request's text, as it is.
    var userData: VMRequest.UserData
    /// What tells cloud-init whether it runs for the first time: another one makes it run anew.
    var instanceID: String
    /// The guest's name.
    var hostname: String
    /// The VM's interfaces, with their addresses.
    var interfaces: [Interface]
    /// Name servers.
    var dns: [IPv4Address]

    /// A network interface as the guest sees it.
    struct Interface: Sendable {
        var mac: MACAddress
        var ip: IPv4Interface?
        var gateway: IPv4Address?
    }

    /// The disk's content; the same for the same values.
    func image() throws(ArchiveError) -> [UInt8] {
        var files = [
            ISO9660Image.File(name: "meta-data", content: metadata.serialized(pretty: true)),
            ISO9660Image.File(name: "user-data", content: Array(userData.text.utf8)),
        ]
        if let networkConfig {
            files.append(.init(name: "network-config", content: networkConfig.serialized(pretty: true)))
        }
        return try ISO9660Image.bytes(files, label: ConfigRenderer.seedSerial)
    }

    /// YAML, of which JSON is a part.
    private var metadata: JSONValue {
        ["instance-id": .string(instanceID), "local-hostname": .string(hostname)]
    }

    /// Version 2 of cloud-init's network configuration; nil where no address is set, so that cloud-init asks by DHCP as it
    /// does by itself.
    private var networkConfig: JSONValue? {
        guard interfaces.contains(where: { $0.ip != nil }) else { return nil }
        var ethernets: [String: JSONValue] = [:]
        for (index, interface) in interfaces.enumerated() {
            var member: JSONValue = ["match": ["macaddress": .string(interface.mac.description)]]
            if let ip = interface.ip {
                member["addresses"] = [.string(ip.description)]
                if let gateway = interface.gateway {
                    member["routes"] = [["to": "0.0.0.0/0", "via": .string(gateway.description)]]
                }
                if !dns.isEmpty {
                    member["nameservers"] = ["addresses": .array(dns.map { .string($0.description) })]
                }
            } else {
                member["dhcp4"] = true
            }
            ethernets["net\(index)"] = member
        }
        return ["version": 2, "ethernets": .object(ethernets)]
    }
}
