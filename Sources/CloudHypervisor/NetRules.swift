import Documents
import Glibc

/// Network interfaces.
extension RuleCheck {
    mutating func checkNets() {
        for (path, net) in elements("net") {
            checkQueues(of: net, at: path)
            checkAddresses(of: net, at: path)
            if let mtu = net.count("mtu"), mtu < 1280 {
                add("\(path).mtu", "it is \(mtu), and 1280 is the least")
            }
            let isOn = { (name: String) in net[name]?.bool ?? true }
            if !isOn("offload_csum"), isOn("offload_tso") || isOn("offload_ufo") {
                add("\(path).offload_csum", "without it, offload_tso and offload_ufo have to be false too")
            }
            if let tap = net.present("tap")?.string, !(1...Limits.interfaceName).contains(tap.utf8.count) {
                add(
                    "\(path).tap",
                    "'\(tap)' is not 1 to \(Limits.interfaceName) bytes, as an interface's name is"
                )
            }
            checkBackend(of: net, at: path)
        }
    }

    private mutating func checkQueues(of net: JSONValue, at path: String) {
        let queues = net.count("num_queues") ?? 2
        if queues < 2 || !queues.isMultiple(of: 2) {
            add("\(path).num_queues", "it is \(queues), and queues come in pairs: 2, 4, …")
        }
        if queues / 2 > bootVCPUs {
            add(
                "\(path).num_queues",
                "it is \(queues / 2) pairs, more than the \(bootVCPUs) vCPUs that the VM boots with"
            )
        }
        checkQueueSize(of: net, at: path)
    }

    private mutating func checkAddresses(of net: JSONValue, at path: String) {
        if (net.present("ip") == nil) != (net.present("mask") == nil) {
            add(path, "'ip' and 'mask' go together, and one is missing")
        }
        for name in ["ip", "mask"] {
            guard let text = net.present(name)?.string, !Self.isAddress(text) else { continue }
            add("\(path).\(name)", "'\(text)' is not an IP address")
        }
        for name in ["mac", "host_mac"] {
            guard let text = net.present(name)?.string, !Self.isHardwareAddress(text) else { continue }
            add("\(path).\(name)", "'\(text)' is not six pairs of hex digits joined by colons")
        }
    }

    private mutating func checkBackend(of net: JSONValue, at path: String) {
        let hasSocket = net.present("vhost_socket") != nil
        guard net.flag("vhost_user") else {
            if hasSocket { add("\(path).vhost_socket", "it needs vhost_user to be true") }
            return
        }
        if !hasSocket { add("\(path).vhost_user", "it needs a 'vhost_socket'") }
        if net.flag("iommu") { add("\(path).iommu", "a vhost-user interface cannot be behind the IOMMU") }
        if net.present("rate_limiter_config") != nil {
            add("\(path).rate_limiter_config", "a vhost-user interface cannot be limited here")
        }
        requireSharedMemory(for: path)
    }

    private static func isAddress(_ text: String) -> Bool {
        var address = in6_addr()
        return inet_pton(AF_INET, text, &address) == 1 || inet_pton(AF_INET6, text, &address) == 1
    }

    private static func isHardwareAddress(_ text: String) -> Bool {
        let pairs = text.split(separator: ":", omittingEmptySubsequences: false)
        return pairs.count == 6
            && pairs.allSatisfy { pair in
                pair.utf8.count == 2 && pair.allSatisfy { $0.isASCII && $0.isHexDigit }
            }
    }
}
