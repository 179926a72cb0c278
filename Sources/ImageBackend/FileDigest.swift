import Host
import OCI

/// Digests of whole files.
enum FileDigest {
    /// SHA-256 of a file from its beginning, whatever its position.
    ///
    /// - Throws: `FileError`, `CancellationError`.
    static func sha256(of file: File, cancellation: Cancellation) throws -> Digest {
        let hasher = SHA256()
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 4096)
        defer { buffer.deallocate() }
        var offset: UInt64 = 0
        while true {
            try cancellation.check()
            let count = try file.read(into: buffer, at: offset)
            if count == 0 { return hasher.finalize() }
            hasher.update(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
            offset += UInt64(count)
        }
    }
}
