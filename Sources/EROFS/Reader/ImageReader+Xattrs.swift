extension ImageReader {
    /// The extended attributes of an inode: its own first, then the shared ones.
    public func xattrs(of inode: Inode) throws(EROFSError) -> [ExtendedAttribute] {
        guard inode.xattrSize > 0 else { return [] }
        let bytes = try read(inode.fixedEnd, inode.xattrSize)
        let sharedCount = Int(bytes[4])
        var position = Format.xattrHeaderSize + sharedCount * 4
        guard position <= bytes.count else { throw corrupt(inode) }
        var attributes: [ExtendedAttribute] = []
        while position < bytes.count {
            let (attribute, size) = try parse(bytes, at: position, inode)
            attributes.append(attribute)
            position += size
        }
        for index in 0..<sharedCount {
            let identifier = bytes.withUnsafeBytes {
                $0.integer(at: Format.xattrHeaderSize + index * 4, as: UInt32.self)
            }
            let area = UInt64(superblock.xattrBlock) << UInt64(Format.blockBits)
            let offset = area + UInt64(identifier ?? 0) * 4
            let header = try read(offset, Format.xattrEntrySize)
            let size = Format.xattrEntrySize + Int(header[0]) + (Int(header[2]) | Int(header[3]) << 8)
            attributes.append(try parse(try read(offset, size), at: 0, inode).0)
        }
        return attributes
    }

    private func parse(
        _ bytes: [UInt8],
        at position: Int,
        _ inode: Inode
    ) throws(EROFSError) -> (ExtendedAttribute, Int) {
        let parsed = bytes.withUnsafeBytes { bytes -> (ExtendedAttribute, Int)? in
            guard let nameLength: UInt8 = bytes.integer(at: position),
                let index: UInt8 = bytes.integer(at: position + 1),
                let valueSize: UInt16 = bytes.integer(at: position + 2),
                let suffix = bytes.slice(position + Format.xattrEntrySize, Int(nameLength)),
                let name = XattrName.full(index: index, suffix: suffix),
                let value = bytes.slice(position + Format.xattrEntrySize + Int(nameLength), Int(valueSize))
            else { return nil }
            let size = align(Format.xattrEntrySize + Int(nameLength) + Int(valueSize), to: 4)
            return (ExtendedAttribute(name: name, value: Array(value)), size)
        }
        guard let parsed else { throw corrupt(inode) }
        return parsed
    }

    private func corrupt(_ inode: Inode) -> EROFSError {
        .corrupt("the extended attributes of inode \(inode.nid) run over their end or have an unknown name")
    }
}
