/// Bytes that an image carries behind its file system: nothing in the image points at them, so no kernel looks there.
///
/// The note ends with its block: zeros, the note, its length in eight bytes, little-endian, and ``magic``.
enum ImageNote {
    static let magic: [UInt8] = Array("SLIPNOTE".utf8)
    static let footerSize = 16

    /// The note with its footer, a multiple of 4,096 bytes.
    static func encode(_ note: [UInt8]) -> [UInt8] {
        let size = align(note.count + footerSize, to: Format.blockSize)
        var bytes = [UInt8](repeating: 0, count: size - footerSize - note.count) + note
        withUnsafeBytes(of: UInt64(note.count).littleEndian) { bytes += $0 }
        return bytes + magic
    }
}

extension ImageReader {
    /// The note of the image, or of the one that it extends.
    ///
    /// - Parameter end: the size in bytes of the image that the note was written with; nil for this one's.
    /// - Throws: ``EROFSError/corrupt(_:)`` when there is none.
    public func note(endingAt end: UInt64? = nil) throws(EROFSError) -> [UInt8] {
        let end = end ?? size
        guard end >= UInt64(Format.blockSize), end <= size else { throw .corrupt("it ends before its note") }
        let footer = try read(end - UInt64(ImageNote.footerSize), ImageNote.footerSize)
        let length = footer.withUnsafeBytes { $0.integer(at: 0, as: UInt64.self) } ?? 0
        guard footer[8...].elementsEqual(ImageNote.magic), length <= end - UInt64(ImageNote.footerSize) else {
            throw .corrupt("there is no note before byte \(end)")
        }
        return try read(end - UInt64(ImageNote.footerSize) - length, Int(length))
    }
}
