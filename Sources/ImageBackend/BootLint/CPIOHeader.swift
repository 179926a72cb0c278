/// The header of an entry in a cpio archive of the format "newc"
/// (Documentation/driver-api/early-userspace/buffer-format.rst): numbers of eight hexadecimal digits.
struct CPIOHeader {
    /// Bytes of a header.
    static let size = 110
    /// The name of an archive's last entry.
    static let trailer = "TRAILER!!!"

    /// Bytes of the content.
    let contentSize: UInt64
    /// Bytes of the name, with the zero that ends it.
    let nameSize: UInt64

    /// Takes a header's bytes; nil when they are none.
    init?(_ bytes: [UInt8]) {
        func number(_ offset: Int) -> UInt64? {
            UInt64(String(decoding: bytes[offset..<offset + 8], as: UTF8.self), radix: 16)
        }
        guard bytes.count == Self.size, bytes.starts(with: "07070".utf8), let content = number(54),
            let name = number(94)
        else { return nil }
        (contentSize, nameSize) = (content, name)
    }
}
