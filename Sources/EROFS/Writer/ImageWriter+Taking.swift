extension ImageWriter {
    /// Adds a regular file with the content of one of another image.
    @discardableResult
    public func addFile(
        named name: ArraySlice<UInt8>,
        in folder: Node,
        takenFrom inode: Inode,
        of image: ImageReader,
        attributes: Attributes
    ) throws(EROFSError) -> Node {
        let node = try beginFile(named: name, in: folder, size: inode.size, attributes: attributes)
        try image.forEachChunk(of: inode) { (bytes) throws(EROFSError) in
            if bytes.count == 1 << 20, bytes.allSatisfy({ $0 == 0 }) {
                try writeHole(UInt64(bytes.count))
            } else {
                try write(bytes)
            }
        }
        try endFile()
        return node
    }
}
