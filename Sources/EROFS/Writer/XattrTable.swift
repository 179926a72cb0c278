/// Encodes extended attributes and shares those that come again.
///
/// The first appearance of an attribute stands beside its inode; from the second on it is in the shared area, which
/// is written with the folders. Only a hash is kept of what appeared once; a hash that lies costs a few bytes, never
/// a wrong value, because shared entries are compared whole.
struct XattrTable: ~Copyable {
    /// What the shared area may grow to in memory; beyond it attributes stay with their inodes.
    private static let maximumSharedBytes = 4 << 20
    private static let maximumSeen = 1 << 18
    private static let maximumSharedPerInode = 255

    /// Hashes of attributes that appeared: 0 for once, else one more than the offset in the shared area in words.
    private var seen: [UInt64: UInt32] = [:]
    /// The shared area so far.
    private(set) var shared: [UInt8] = []
    /// Whether there may be a shared area at all.
    var isSharing = true
    /// The encoding of the last attributes, header included.
    private(set) var encoded: [UInt8] = []

    /// The bytes that attributes take beside an inode when none is shared.
    static func encodedSize(_ xattrs: [ExtendedAttribute]) -> Int {
        xattrs.reduce(xattrs.isEmpty ? 0 : Format.xattrHeaderSize) { total, attribute in
            total + align(Format.xattrEntrySize + attribute.name.count + attribute.value.count, to: 4)
        }
    }

    /// Encodes into ``encoded``, which is left empty when there are none, and returns `i_xattr_icount`.
    ///
    /// - Parameter sharingAll: for the root, whose inode has to fit into the first block.
    mutating func encode(_ xattrs: [ExtendedAttribute], sharingAll: Bool = false) -> UInt16 {
        encoded.removeAll(keepingCapacity: true)
        if xattrs.isEmpty { return 0 }
        var identifiers: [UInt32] = []
        var inline: [UInt8] = []
        for (index, attribute) in xattrs.enumerated() {
            let isOverridden = xattrs[(index + 1)...].contains { $0.name == attribute.name }
            guard !isOverridden, let entry = Self.entry(attribute) else { continue }
            if identifiers.count < Self.maximumSharedPerInode,
                let identifier = share(entry, always: sharingAll)
            {
                identifiers.append(identifier)
            } else {
                inline += entry
            }
        }
        encoded += [0, 0, 0, 0, UInt8(identifiers.count), 0, 0, 0, 0, 0, 0, 0]
        for identifier in identifiers { withUnsafeBytes(of: identifier.littleEndian) { encoded += $0 } }
        encoded += inline
        return UInt16(1 + (encoded.count - Format.xattrHeaderSize) / 4)
    }

    /// The entry's place in the shared area in words; nil where it stays with its inode.
    private mutating func share(_ entry: [UInt8], always: Bool) -> UInt32? {
        guard isSharing else { return nil }
        let hash = Self.hash(entry)
        switch seen[hash] {
        case let word? where word > 0:
            let start = Int(word - 1) * 4
            let isSame =
                shared.count - start >= entry.count && shared[start..<start + entry.count] == entry[...]
            if isSame { return word - 1 }
            return always ? append(entry) : nil
        case nil where !always:
            if seen.count < Self.maximumSeen { seen[hash] = 0 }
            return nil
        default:
            guard always || shared.count + entry.count <= Self.maximumSharedBytes else { return nil }
            let word = append(entry)
            seen[hash] = word + 1
            return word
        }
    }

    private mutating func append(_ entry: [UInt8]) -> UInt32 {
        defer { shared += entry }
        return UInt32(shared.count / 4)
    }

    /// `struct erofs_xattr_entry`, padded to four bytes.
    private static func entry(_ attribute: ExtendedAttribute) -> [UInt8]? {
        guard let name = XattrName(attribute.name) else { return nil }
        let size = UInt16(attribute.value.count)
        var bytes: [UInt8] = [UInt8(name.suffix.count), name.index, UInt8(size & 0xFF), UInt8(size >> 8)]
        bytes += name.suffix
        bytes += attribute.value
        return bytes + [UInt8](repeating: 0, count: align(bytes.count, to: 4) - bytes.count)
    }

    /// FNV-1a: the same in every process, since it decides what is shared.
    private static func hash(_ bytes: [UInt8]) -> UInt64 {
        bytes.reduce(0xCBF2_9CE4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
    }
}
