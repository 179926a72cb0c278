public import Host

/// A cheap look at what a file is.
public enum ArchiveProbe {
    /// What a file turned out to be.
    public enum Kind: Sendable, Hashable {
        /// A tar archive, compressed like this.
        case tar(Compression)
        /// Something else, compressed like this.
        case notATar(Compression)
        /// Nothing: 0 bytes.
        case empty
    }

    /// Reads the beginning of a regular file, decompressing no more than its first 64 KiB; the file's position stays.
    ///
    /// - Throws: ``ArchiveError`` when the file cannot be read, or is compressed and damaged or truncated within
    ///   these bytes.
    public static func probe(_ file: File) throws(ArchiveError) -> Kind {
        let source = DecompressingSource(FileRangeSource(file: file), name: "\(file.path)")
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 64 << 10, alignment: 64)
        defer { buffer.deallocate() }
        var count = 0
        while count < buffer.count {
            let read = try source.read(into: UnsafeMutableRawBufferPointer(rebasing: buffer[count...]))
            if read == 0 { break }
            count += read
        }
        let compression = source.compression ?? .none
        if count == 0, compression == .none { return .empty }
        return isTar(prefix: UnsafeRawBufferPointer(rebasing: buffer.prefix(count)))
            ? .tar(compression) : .notATar(compression)
    }
}
