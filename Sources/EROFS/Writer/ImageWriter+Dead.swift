extension ImageWriter {
    /// The blocks of the packed inode that hold nothing but what files left behind that were replaced or removed: their
    /// contents that no other file has, as the share of the packed inode's blocks that is theirs of its bytes. Of a
    /// finished image.
    func deadPackedBytes() throws(EROFSError) -> UInt64 {
        guard pipeline.hasPackedFiles else { return 0 }
        var dead: UInt64 = 0
        var image: ImageReader?
        for index in 0..<tree.inodes.count {
            let record = tree.inodes[index]
            guard record.kind == .regular, record.links == 0, record.isPlaced else { continue }
            let reader = if let image { image } else { try ImageReader(file: file) }
            image = reader
            let byte = pipeline.assembler.metadata.imageByte(of: record.location)
            let inode = try reader.inode(byte / UInt64(Format.slotSize))
            guard let range = try reader.packedRange(of: inode) else { continue }
            dead += pipeline.releasePacked(at: range.lowerBound)
        }
        guard let image, dead > 0 else { return 0 }
        let packed = try image.inode(image.superblock.packedNID)
        let blocks = UInt64(packed.fields.union)
        return UInt64(Double(blocks * UInt64(Format.blockSize)) * Double(dead) / Double(packed.size))
    }
}
