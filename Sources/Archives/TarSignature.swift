/// Whether a stream that begins with these bytes is a tar archive: its first block is a header with a valid checksum,
/// or, as in an archive without entries, there are at least two blocks and all are zeros. 512 bytes are needed; with
/// more, a disk image that merely begins with zeros is told from an empty archive.
public func isTar(prefix: UnsafeRawBufferPointer) -> Bool {
    guard prefix.count >= TarHeader.size else { return false }
    if TarHeader(UnsafeRawBufferPointer(rebasing: prefix.prefix(TarHeader.size))).hasValidChecksum {
        return true
    }
    return prefix.count >= 2 * TarHeader.size && prefix.allSatisfy { $0 == 0 }
}
