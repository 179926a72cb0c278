/// An IPv4 address.
public struct IPv4Address: Sendable, Hashable, LosslessStringConvertible {
    /// The address in host byte order.
    public let bits: UInt32

    /// Creates an address from its bits.
    public init(bits: UInt32) { self.bits = bits }

    /// Parses four decimal numbers without leading zeros, separated by dots; nil for anything else.
    public init?(_ description: String) {
        let parts = description.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 4 else { return nil }
        var bits: UInt32 = 0
        for part in parts {
            guard let byte = UInt8(part), String(byte) == part else { return nil }
            bits = bits << 8 | UInt32(byte)
        }
        self.init(bits: bits)
    }

    /// The written form.
    public var description: String {
        [24, 16, 8, 0].map { String(bits >> UInt32($0) & 255) }.joined(separator: ".")
    }
}

/// An IPv4 address with the length of its network's prefix, as `10.0.0.2/24`.
public struct IPv4Interface: Sendable, Hashable, LosslessStringConvertible {
    /// The interface's address.
    public let address: IPv4Address
    /// 1 to 32.
    public let prefixLength: Int

    /// Parses the written form; nil for anything else.
    public init?(_ description: String) {
        let parts = description.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 2, let address = IPv4Address(String(parts[0])), let length = Int(parts[1]),
            (1...32).contains(length), String(length) == parts[1]
        else { return nil }
        self.address = address
        prefixLength = length
    }

    /// The written form.
    public var description: String { "\(address)/\(prefixLength)" }

    /// The network's mask.
    public var mask: IPv4Address { IPv4Address(bits: UInt32.max << UInt32(32 - prefixLength)) }

    /// Whether an address belongs to the network.
    public func contains(_ other: IPv4Address) -> Bool { other.bits & mask.bits == address.bits & mask.bits }
}
