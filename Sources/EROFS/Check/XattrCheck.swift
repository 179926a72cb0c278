/// Looks at the extended attributes of inodes. A shared one is looked at once, however many inodes have it, and no
/// value is read: any bytes will do there.
struct XattrCheck {
    private let image: ImageReader
    /// Words of the shared area at which an attribute was found in order.
    private var sound = SparseBitmap()

    private let isAllowed: @Sendable ([UInt8]) -> Bool

    init(_ image: ImageReader, isAllowed: @escaping @Sendable ([UInt8]) -> Bool) {
        self.image = image
        self.isAllowed = isAllowed
    }

    mutating func check(_ inode: Inode) throws(EROFSError) {
        guard inode.xattrSize > 0 else { return }
        let bytes = try image.read(inode.fixedEnd, inode.xattrSize)
        let shared = Int(bytes[4])
        var position = Format.xattrHeaderSize + shared * 4
        guard position <= bytes.count else {
            throw .corrupt(
                "inode \(inode.nid) claims \(shared) shared extended attributes without room for them"
            )
        }
        for index in 0..<shared {
            let word = bytes.withUnsafeBytes {
                $0.integer(at: Format.xattrHeaderSize + index * 4, as: UInt32.self)
            }
            try checkShared(UInt64(word ?? 0), inode)
        }
        while position < bytes.count {
            let size = try size(ofEntry: bytes, at: position, inode)
            guard size <= bytes.count - position else {
                throw .corrupt("the extended attributes of inode \(inode.nid) run over their end")
            }
            position += size
        }
    }

    private mutating func checkShared(_ word: UInt64, _ inode: Inode) throws(EROFSError) {
        if sound.contains(word) { return }
        let start = UInt64(image.superblock.xattrBlock) * UInt64(Format.blockSize) + word * 4
        let room = start < image.size ? Int(min(image.size - start, 4 + 255)) : 0
        let bytes = try image.read(start, room)
        let size = try size(ofEntry: bytes, at: 0, inode)
        guard UInt64(size) <= image.size - start else {
            throw .corrupt("a shared extended attribute of inode \(inode.nid) lies beyond the image")
        }
        _ = sound.insert(word)
    }

    /// The size of an entry with its name and value, which has to have a name that is known.
    private func size(ofEntry bytes: [UInt8], at position: Int, _ inode: Inode) throws(EROFSError) -> Int {
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
                "inode \(inode.nid) has the extended attribute \(String(decoding: name, as: UTF8.self)), "
                    + "which an image may not bring"
            )
        }
        return align(Format.xattrEntrySize + length + valueSize, to: 4)
    }
}
