import COpenSSL

/// An incremental SHA-256 on OpenSSL, which uses the processor's SHA instructions where there are any.
///
/// A value is used by one thread at a time; it is not copied but shared by reference.
public final class SHA256 {
    private let context: OpaquePointer

    /// A hash of nothing yet.
    public init() {
        guard let context = EVP_MD_CTX_new(), EVP_DigestInit_ex(context, EVP_sha256(), nil) == 1 else {
            preconditionFailure("OpenSSL has no SHA-256: out of memory, or a provider that removes it")
        }
        self.context = context
    }

    deinit { EVP_MD_CTX_free(context) }

    /// Adds bytes.
    public func update(_ bytes: UnsafeRawBufferPointer) {
        EVP_DigestUpdate(context, bytes.baseAddress, bytes.count)
    }

    /// The digest of all bytes so far; the hash then starts anew.
    public func finalize() -> Digest {
        var result = [UInt8](repeating: 0, count: 32)
        EVP_DigestFinal_ex(context, &result, nil)
        EVP_DigestInit_ex(context, EVP_sha256(), nil)
        return Digest(bytes: result)
    }
}
