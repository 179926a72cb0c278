import OCI

/// An Ethernet address of one interface.
public struct MACAddress: Sendable, Hashable, LosslessStringConvertible {
    /// Its six bytes.
    public let bytes: [UInt8]

    /// Parses six pairs of hex digits, separated by colons; nil for anything else, and for an address that is no single
    /// interface's (a group address, or all zeros).
    public init?(_ description: String) {
        let parts = description.split(separator: ":", omittingEmptySubsequences: false)
        let bytes = parts.compactMap { part in
            part.utf8.count == 2 && part.allSatisfy(\.isHexDigit) ? UInt8(part, radix: 16) : nil
        }
        guard parts.count == 6, bytes.count == 6, bytes[0] & 1 == 0, bytes.contains(where: { $0 != 0 }) else {
            return nil
        }
        self.bytes = bytes
    }

    /// The address of an interface whose request names none: always the same for the same folder of VMs, VM and
    /// position, and different from all others as far as 46 bits of SHA-256 can make it. Locally administered.
    init(stableFor vm: String, interface: Int, identity: String) {
        var bytes = Array(
            Digest.sha256(of: "slipway mac\n\(identity)\n\(vm)\n\(interface)".utf8).bytes.prefix(6)
        )
        bytes[0] = bytes[0] & 0xFC | 0x02
        self.bytes = bytes
    }

    /// `52:54:00:12:34:56`.
    public var description: String {
        bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined(separator: ":")
    }
}
