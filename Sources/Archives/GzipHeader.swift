import CISAL

/// A gzip member's header (RFC 1952, 2.3), read in pieces.
///
/// ISA-L reads these too, but refuses a right header checksum (FHCRC) when the header comes in more than one piece.
struct GzipHeader {
    private enum Part { case fixed, extraLength, extra, name, comment, checksum, deflate }

    private var part = Part.fixed
    private var flags: UInt8 = 0
    /// Bytes of the current part so far.
    private var count = 0
    /// The last two of them, little-endian.
    private var word: UInt16 = 0
    private var extraLength = 0
    private var checksum: UInt32 = 0

    /// Whether the header is complete and deflate data follows.
    var isComplete: Bool { part == .deflate }

    /// Takes bytes of the header and returns how many.
    mutating func take(_ input: UnsafeRawBufferPointer) throws(DecoderFailure) -> Int {
        var taken = 0
        for byte in input {
            if isComplete { break }
            taken += 1
            try take(byte)
        }
        return taken
    }

    private mutating func take(_ byte: UInt8) throws(DecoderFailure) {
        if part != .checksum { withUnsafePointer(to: byte) { checksum = crc32_gzip_refl(checksum, $0, 1) } }
        word = word >> 8 | UInt16(byte) << 8
        count += 1
        switch part {
        case .fixed:
            if count == 4 { flags = byte }
            if count == 10 { advance(past: .fixed) }
        case .extraLength:
            guard count == 2 else { return }
            extraLength = Int(word)
            advance(past: extraLength == 0 ? .extra : .extraLength)
        case .extra: if count == extraLength { advance(past: .extra) }
        case .name: if byte == 0 { advance(past: .name) }
        case .comment: if byte == 0 { advance(past: .comment) }
        case .checksum:
            guard count == 2 else { return }
            guard word == UInt16(truncatingIfNeeded: checksum) else {
                throw DecoderFailure(.checksum, "the header's checksum is wrong")
            }
            advance(past: .checksum)
        case .deflate: break
        }
    }

    /// Goes on to the next part that the flags announce.
    private mutating func advance(past old: Part) {
        count = 0
        switch old {
        case .fixed where flags & 0x04 != 0: part = .extraLength
        case .extraLength: part = .extra
        case .fixed, .extra:
            part = .name
            if flags & 0x08 == 0 { advance(past: .name) }
        case .name:
            part = .comment
            if flags & 0x10 == 0 { advance(past: .comment) }
        case .comment:
            part = .checksum
            if flags & 0x02 == 0 { advance(past: .checksum) }
        case .checksum, .deflate: part = .deflate
        }
    }
}
