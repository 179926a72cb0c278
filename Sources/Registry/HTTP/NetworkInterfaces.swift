import Glibc

/// The machine's network interfaces.
enum NetworkInterfaces {
    /// Whether any but the loopback is up and has an address that leads beyond its own link.
    static var haveOne: Bool {
        var list: UnsafeMutablePointer<ifaddrs>?
        guard getifaddrs(&list) == 0 else { return true }
        defer { freeifaddrs(list) }
        var next = list
        while let entry = next?.pointee {
            next = entry.ifa_next
            let flags = Int32(bitPattern: entry.ifa_flags)
            guard flags & Int32(IFF_UP) != 0, flags & Int32(IFF_LOOPBACK) == 0,
                let address = entry.ifa_addr
            else { continue }
            switch Int32(address.pointee.sa_family) {
            case AF_INET: return true
            case AF_INET6:
                // fe80::/10 is on every interface, connected or not.
                let isLinkLocal = address.withMemoryRebound(to: sockaddr_in6.self, capacity: 1) { address in
                    withUnsafeBytes(of: address.pointee.sin6_addr) { $0[0] == 0xFE && $0[1] & 0xC0 == 0x80 }
                }
                if !isLinkLocal { return true }
            default: continue
            }
        }
        return false
    }
}
