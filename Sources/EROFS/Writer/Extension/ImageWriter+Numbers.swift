public import Host

extension ImageWriter {
    /// Gives the inodes of an image that another program wrote the numbers of the image whose tree it holds. The numbers
    /// say what came before what, which extending an image goes by.
    ///
    /// - Parameters:
    ///   - original: the image with the numbers.
    ///   - file: the other program's image, open for reading and writing.
    /// - Throws: ``EROFSError/corrupt(_:)`` where the trees have other names.
    public static func takeNumbers(from original: ImageReader, to file: File) throws(EROFSError) {
        let image = try ImageReader(file: file)
        var folders = [(original: try original.inode(original.root), copy: try image.inode(image.root))]
        try setNumber(of: folders[0].copy, to: folders[0].original.number, in: file)
        while let folder = folders.popLast() {
            let names = try original.entries(of: folder.original)
            let copies = try image.entries(of: folder.copy)
            guard names.elementsEqual(copies, by: { $0.name == $1.name }) else {
                throw .corrupt("the folder \(folder.copy.nid) has other names than it was given")
            }
            for (name, copy) in zip(names, copies) {
                let (from, to) = (try original.inode(name.nid), try image.inode(copy.nid))
                guard from.kind == to.kind else {
                    throw .corrupt("the inode \(to.nid) is of another type than it was given")
                }
                try setNumber(of: to, to: from.number, in: file)
                if from.kind == .directory { folders.append((from, to)) }
            }
        }
        // Inodes may lie in the first block, of which the superblock holds the checksum.
        var first = try image.read(0, Format.blockSize)
        first.withUnsafeMutableBytes { image.superblock.update($0) }
        try write(first, at: 0, of: file)
    }

    private static func setNumber(of inode: Inode, to number: UInt32, in file: File) throws(EROFSError) {
        let bytes = withUnsafeBytes(of: number.littleEndian) { Array($0) }
        try write(bytes, at: inode.offset + UInt64(InodeFields.numberOffset), of: file)
    }

    private static func write(_ bytes: [UInt8], at offset: UInt64, of file: File) throws(EROFSError) {
        let outcome = bytes.withUnsafeBytes { buffer in
            Result { () throws(FileError) in try file.writeAll(buffer, at: offset) }
        }
        do { try outcome.get() } catch { throw .file(error) }
    }
}
