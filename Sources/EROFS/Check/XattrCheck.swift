/// Looks at the extended attributes of inodes. No value is read: any bytes will do there.
struct XattrCheck {
    /// An attribute of the shared area.
    private struct Shared {
        let name: [UInt8]
        let size: Int
    }

    /// How many shared attributes are remembered. An image with more has the others looked at for each inode.
    private static let maximumRemembered = 16_384

    private let image: ImageReader
    private let isAllowed: @Sendable ([UInt8]) -> Bool
    /// Shared attributes that were found in order, by their words in the area.
    private var sound: [UInt64: Shared] = [:]

    init(_ image: ImageReader, isAllowed: @escaping @Sendable ([UInt8]) -> Bool) {
        self.image = image
        self.isAllowed = isAllowed
    }

    /// Checks an inode's attributes, and returns how many bytes they have, shared ones too.
    mutating func check(_ inode: Inode) throws(EROFSError) -> Int {
        guard inode.xattrSize > 0 else { return 0 }
        let bytes = try image.read(inode.fixedEnd, inode.xattrSize)
        let sharedCount = Int(bytes[4])
        var position = Format.xattrHeaderSize + sharedCount * 4
        guard position <= bytes.count else {
            throw .corrupt(
                "inode \(inode.nid) claims \(sharedCount) shared extended attributes without room for them"
            )
        }
        var total = 0
        var names: Set<[UInt8]> = []
        for index in 0..<sharedCount {
            let word = bytes.withUnsafeBytes {
                $0.integer(at: Format.xattrHeaderSize + index * 4, as: UInt32.self)
            }
            let attribute = try shared(UInt64(word ?? 0), inode)
            try insert(attribute.name, into: &names, inode)
            total += attribute.size
        }
        while position < bytes.count {
            let (name, size) = try entry(bytes, at: position, inode)
            guard size <= bytes.count - position else {
                throw .corrupt("the extended attributes of inode \(inode.nid) run over their end")
            }
            try insert(name, into: &names, inode)
            total += size
            position += size
        }
        return total
    }

    /// Which of two attributes with one name counts, not all readers agree on.
    private func insert(
        _ name: [UInt8],
        into names: inout Set<[UInt8]>,
        _ inode: Inode
    ) throws(EROFSError) {
        guard names.insert(name).inserted else {
            throw .corrupt("inode \(inode.nid) has the extended attribute \(quoted(name)) twice")
        }
    }

    private mutating func shared(_ word: UInt64, _ inode: Inode) throws(EROFSError) -> Shared {
        if let known = sound[word] { return known }
        let start = UInt64(image.superblock.xattrBlock) * UInt64(Format.blockSize) + word * 4
        let room = start < image.size ? Int(min(image.size - start, 4 + 255)) : 0
        let bytes = try image.read(start, room)
        let (name, size) = try entry(bytes, at: 0, inode)
        guard UInt64(size) <= image.size - start else {
            throw .corrupt("a shared extended attribute of inode \(inode.nid) lies beyond the image")
        }
        let attribute = Shared(name: name, size: size)
        if sound.count < Self.maximumRemembered { sound[word] = attribute }
        return attribute
    }

    /// The name of an entry, which has to be a known one, and its size with name and value.
    private func entry(
        _ bytes: [UInt8],
        at position: Int,
        _ inode: Inode
    ) throws(EROFSError) -> (name: [UInt8], size: Int) {
        guard position + Format.xattrEntrySize <= bytes.count else {
            throw .corrupt("an extended attribute of inode \(inode.nid) is cut off")
        }
        let length = Int(bytes[position])
        let valueSize = Int(bytes[position + 2]) | Int(bytes[position + 3]) << 8
        let name = bytes.withUnsafeBytes { bytes -> [UInt8]? in
            guard let suffix = bytes.slice(position + Format.xattrEntrySize, length), !suffix.contains(0)
            else { return nil }
            return XattrName.full(index: bytes[position + 1], suffix: suffix)
        }
        guard let name else {
            throw .corrupt("inode \(inode.nid) has an extended attribute with an unknown or broken name")
        }
        guard isAllowed(name) else {
            throw .unsupported(
                "inode \(inode.nid) has the extended attribute \(quoted(name)), which an image may not bring"
            )
        }
        return (name, align(Format.xattrEntrySize + length + valueSize, to: 4))
    }
}
