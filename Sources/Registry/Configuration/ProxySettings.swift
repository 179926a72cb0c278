import CCurl
import Glibc

/// Proxies as the environment sets them (the variables that curl and Go's net/http read).
public struct ProxySettings: Sendable, Hashable {
    /// The proxy for `http` URLs.
    public var http: String?
    /// The proxy for `https` URLs.
    public var https: String?
    /// Hosts that are spoken to directly: names with all below them, addresses, networks, or `*`; separated by commas.
    public var exceptions: [String]

    /// Creates settings.
    public init(http: String? = nil, https: String? = nil, exceptions: [String] = []) {
        self.http = http
        self.https = https
        self.exceptions = exceptions
    }

    /// Reads `HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY`, in lower case too.
    public init(environment: [String: String]) {
        func value(_ name: String) -> String? {
            let value = environment[name] ?? environment[name.lowercased()] ?? ""
            return value.isEmpty ? nil : value
        }
        self.init(
            http: value("HTTP_PROXY") ?? value("ALL_PROXY"),
            https: value("HTTPS_PROXY") ?? value("ALL_PROXY"),
            exceptions: (value("NO_PROXY") ?? "").split { $0 == "," || $0 == " " }.map {
                String($0).lowercased()
            }
        )
    }

    /// The proxy for a URL; nil goes straight, as it always does to this machine.
    func proxy(for url: HTTPURL) -> String? {
        guard let proxy = url.scheme == "https" ? https : http else { return nil }
        return url.isLoopback || exceptions.contains { Self.matches($0, url) } ? nil : proxy
    }

    private static func matches(_ exception: String, _ url: HTTPURL) -> Bool {
        if exception == "*" { return true }
        let bare = url.host.hasPrefix("[") ? String(url.host.dropFirst().dropLast()) : url.host
        if exception.contains("/") { return IPNetwork(exception)?.contains(bare) ?? false }
        var name = exception[...]
        if name == url.authority || name == "\(url.host):\(url.port)" { return true }
        if let colon = name.lastIndex(of: ":"), name.firstIndex(of: ":") == colon {
            guard Int(name[name.index(after: colon)...]) == url.port else { return false }
            name = name[..<colon]
        }
        if name.hasPrefix("*") { name = name.dropFirst() }
        if name.hasPrefix(".") { return bare.hasSuffix(name) }
        return bare == name || bare.hasSuffix(".\(name)")
    }
}

/// A network in CIDR notation.
struct IPNetwork {
    private let prefix: [UInt8]
    private let bits: Int

    init?(_ text: String) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 2, let bits = Int(parts[1]), let address = Self.bytes(String(parts[0])),
            (0...address.count * 8).contains(bits)
        else { return nil }
        prefix = address
        self.bits = bits
    }

    func contains(_ address: String) -> Bool {
        guard let bytes = Self.bytes(address), bytes.count == prefix.count else { return false }
        return (0..<bits).allSatisfy { bit in
            (bytes[bit / 8] ^ prefix[bit / 8]) & (0x80 >> UInt8(bit % 8)) == 0
        }
    }

    private static func bytes(_ text: String) -> [UInt8]? {
        var buffer = [UInt8](repeating: 0, count: 16)
        if inet_pton(AF_INET, text, &buffer) == 1 { return Array(buffer.prefix(4)) }
        if inet_pton(AF_INET6, text, &buffer) == 1 { return buffer }
        return nil
    }
}
