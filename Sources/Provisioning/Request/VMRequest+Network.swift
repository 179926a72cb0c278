import Documents

extension VMRequest {
    /// Name servers that the kernel's `ip=` can carry (Documentation/admin-guide/nfs/nfsroot.rst).
    static let nameServerLimit = 2
    /// The longest name of a network device, in bytes (IFNAMSIZ less its zero, linux/if.h).
    static let deviceNameLimit = 15

    mutating func readNetwork(_ reader: inout ObjectReader) throws(DocumentError) {
        if let list = reader.optional("nets") { try readNets(list) }
        if let list = reader.optional("dns") { try readNameServers(list) }
        if let node = reader.optional("hostname") {
            let text = try node.string()
            guard Hostname.isValid(text) else { throw node.error(Hostname.rule) }
            hostname = text
        }
    }

    private mutating func readNets(_ list: Node) throws(DocumentError) {
        for node in try list.array() {
            guard nets.count < Self.netLimit else {
                throw list.error("more than \(Self.netLimit) interfaces are not supported")
            }
            let net = try Self.net(node)
            if net.ip != nil, nets.contains(where: { $0.ip != nil }) {
                throw node.error("a static address on a second interface is not supported yet")
            }
            if let mac = net.mac, nets.contains(where: { $0.mac == mac }) {
                throw node.error("two interfaces have the address \(mac)")
            }
            if let tap = net.tap, nets.contains(where: { $0.tap == tap }) {
                throw node.error("two interfaces use the tap \(tap)")
            }
            nets.append(net)
        }
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
        try object.finish()
        return net
    }

    private mutating func readNameServers(_ list: Node) throws(DocumentError) {
        for node in try list.array() { dns.append(try node.parsed("an IPv4 address such as 10.0.0.1")) }
        guard dns.count <= Self.nameServerLimit else {
            throw list.error("more than \(Self.nameServerLimit) name servers are not supported yet")
        }
        guard dns.isEmpty || nets.contains(where: { $0.ip != nil }) else {
            throw list.error("name servers without a static 'ip' on an interface are not supported yet")
        }
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
