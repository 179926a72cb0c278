import Documents

extension VMRequest {
    /// The most name servers: what resolv.conf(5) takes.
    static let nameServerLimit = 3
    /// The longest name of a network device, in bytes (IFNAMSIZ less its zero, linux/if.h).
    static let deviceNameLimit = 15
    /// The most pairs of queues of an interface.
    static let queuePairRange: ClosedRange<Int64> = 1...64

    /// - Parameter allowsOwn: whether an interface may have what only one VM can have.
    mutating func readNetwork(
        _ reader: inout ObjectReader,
        allowsOwnNets allowsOwn: Bool
    ) throws(DocumentError) {
        if let list = reader.optional("nets") { nets = try Self.nets(list, allowsOwn: allowsOwn) }
        if let list = reader.optional("dns") {
            var servers: [IPv4Address] = []
            for node in try list.array() {
                servers.append(try node.parsed("an IPv4 address such as 10.0.0.1"))
            }
            guard servers.count <= Self.nameServerLimit else {
                throw list.error("more than \(Self.nameServerLimit) name servers are of no use to a guest")
            }
            dns = servers
        }
    }

    private static func nets(_ list: Node, allowsOwn: Bool) throws(DocumentError) -> [Net] {
        var nets: [Net] = []
        for node in try list.array() {
            guard nets.count < netLimit else {
                throw list.error("more than \(netLimit) interfaces are not supported")
            }
            let net = try Self.net(node)
            if !allowsOwn, net.tap != nil || net.mac != nil || net.ip != nil {
                throw node.error("taps and addresses are one VM's own, and no default for all of them")
            }
            if let mac = net.mac, nets.contains(where: { $0.mac == mac }) {
                throw node.error("two interfaces have the address \(mac)")
            }
            if let tap = net.tap, nets.contains(where: { $0.tap == tap }) {
                throw node.error("two interfaces use the tap \(tap)")
            }
            if let ip = net.ip, nets.contains(where: { $0.ip?.address == ip.address }) {
                throw node.error("two interfaces have the address \(ip.address)")
            }
            if net.gateway != nil, nets.contains(where: { $0.gateway != nil }) {
                throw node.error("a second interface has a gateway, and a guest has one default route")
            }
            nets.append(net)
        }
        return nets
    }

    private static func net(_ node: Node) throws(DocumentError) -> Net {
        var object = try node.object()
        var net = Net()
        if let tap = object.optional("tap") { net.tap = try tap.parsedDeviceName() }
        if let mac = object.optional("mac") {
            net.mac = try mac.parsed("an address of one interface such as 52:54:00:12:34:56")
        }
        if let ip = object.optional("ip") { net.ip = try ip.parsedInterface() }
        if let node = object.optional("gateway") {
            let gateway: IPv4Address = try node.parsed("an IPv4 address such as 10.0.0.1")
            guard let ip = net.ip else { throw node.error("a gateway needs the interface's own 'ip'") }
            guard ip.contains(gateway), gateway != ip.address else {
                throw node.error("\(gateway) is no other address in the network of \(ip)")
            }
            net.gateway = gateway
        }
        if let queues = object.optional("queues") {
            net.queuePairs = Int(try queues.integer(in: queuePairRange))
        }
        try object.finish()
        return net
    }
}

extension Node {
    fileprivate func parsed<Value: LosslessStringConvertible>(_ expected: String) throws(DocumentError)
        -> Value
    {
        let text = try string()
        guard let value = Value(text) else { throw error("expected \(expected), found '\(text)'") }
        return value
    }

    fileprivate func parsedInterface() throws(DocumentError) -> IPv4Interface {
        if try string().contains(":") { throw error("IPv6 addresses are not supported yet") }
        return try parsed("an IPv4 address with its prefix, such as 10.0.0.2/24")
    }

    fileprivate func parsedDeviceName() throws(DocumentError) -> String {
        let name = try string()
        // What the kernel refuses (dev_valid_name, net/core/dev.c), and '%', from which it would make a number.
        guard (1...VMRequest.deviceNameLimit).contains(name.utf8.count), name != ".", name != "..",
            name.utf8.allSatisfy({ (0x21...0x7E).contains($0) }),
            !name.contains(where: { "/:%".contains($0) })
        else { throw error("a device's name has 1 to 15 ASCII characters, without spaces, '/', ':' and '%'") }
        return name
    }
}
