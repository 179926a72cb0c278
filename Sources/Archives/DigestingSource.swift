public import OCI

/// Passes a stream on and takes the SHA-256 of what passed.
public final class DigestingSource: ByteSource {
    private let upstream: any ByteSource
    private let hash = SHA256()
    private var bytes: UInt64 = 0

    /// A digest over what is read of `upstream` from now on.
    public init(_ upstream: any ByteSource) { self.upstream = upstream }

    /// Reads on and adds what came to the digest.
    public func read(into buffer: UnsafeMutableRawBufferPointer) throws(ArchiveError) -> Int {
        let count = try upstream.read(into: buffer)
        if count > 0 { hash.update(UnsafeRawBufferPointer(rebasing: buffer.prefix(count))) }
        bytes += UInt64(count)
        return count
    }

    /// The digest and number of the bytes that were read; covers the whole stream once `read` has returned 0.
    /// To be called once: the digest then starts anew.
    public func finish() -> (digest: Digest, bytes: UInt64) {
        defer { bytes = 0 }
        return (hash.finalize(), bytes)
    }
}
