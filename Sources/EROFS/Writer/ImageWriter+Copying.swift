extension ImageWriter {
    /// Adds an inode like one of another image, under any name. How a regular file's content comes over is the caller's
    /// choice.
    ///
    /// - Parameter file: adds the regular file.
    /// - Throws: ``EROFSError``: of the other image, which is not trusted, or of the writer.
    @discardableResult
    public func add(
        named name: ArraySlice<UInt8>,
        in folder: Node,
        like inode: Inode,
        of image: ImageReader,
        attributes: Attributes,
        file: () throws(EROFSError) -> Node
    ) throws(EROFSError) -> Node {
        switch inode.kind {
        case .regular: return try file()
        case .directory: return try addDirectory(named: name, in: folder, attributes: attributes)
        case .symbolicLink:
            let target = try image.target(of: inode)
            return try addSymbolicLink(named: name, in: folder, target: target[...], attributes: attributes)
        case .characterDevice, .blockDevice:
            let (major, minor) = inode.device
            return try addDevice(
                named: name,
                in: folder,
                kind: inode.kind,
                major: major,
                minor: minor,
                attributes: attributes
            )
        case .fifo: return try addFIFO(named: name, in: folder, attributes: attributes)
        case .socket: return try addSocket(named: name, in: folder, attributes: attributes)
        }
    }

    /// Writes the bytes of another image's file into the one that is begun.
    func writeBytes(of inode: Inode, _ image: ImageReader) throws(EROFSError) {
        try image.forEachChunk(of: inode) { (bytes) throws(EROFSError) in
            // What compresses to nothing costs nothing.
            if bytes.count == 1 << 20, bytes.allSatisfy({ $0 == 0 }) {
                try writeHole(UInt64(bytes.count))
            } else {
                try write(bytes)
            }
        }
    }
}
