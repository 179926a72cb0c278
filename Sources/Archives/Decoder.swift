/// A decoder of one compression format, fed by ``DecompressingSource``.
///
/// A compressed stream is a sequence of members (gzip), frames (zstd, LZ4) or streams (xz, bzip2), called members
/// here, each complete in itself.
protocol Decoder: AnyObject {
    /// What may follow a member other than another one.
    var padding: MemberPadding { get }

    /// How many bytes ``begin(_:)`` needs to see.
    var prefixLength: Int { get }

    /// Prepares for a member whose first bytes are `prefix` (less than ``prefixLength`` only at the stream's end).
    /// Nothing is consumed. False when no member begins like this.
    func begin(_ prefix: UnsafeRawBufferPointer) throws(DecoderFailure) -> Bool

    /// Decodes as much as input and output allow.
    func decode(
        _ input: UnsafeRawBufferPointer,
        into output: UnsafeMutableRawBufferPointer
    ) throws(DecoderFailure) -> DecoderProgress
}

/// What one call of ``Decoder/decode(_:into:)`` did.
struct DecoderProgress {
    /// Bytes taken from the input.
    var consumed: Int
    /// Bytes put into the output.
    var produced: Int
    /// Whether the member is complete, its checksum verified and all of it put out.
    var isMemberComplete: Bool
}

/// Zero bytes that may follow a member.
enum MemberPadding {
    /// None.
    case forbidden
    /// Any number up to the end of the stream, as gzip(1) accepts from tapes.
    case toTheEnd
    /// Groups of four before the next member or the end (.xz file format, 2.2, Stream Padding).
    case groupsOfFour
}

/// Why decoding failed; the source adds where.
struct DecoderFailure: Error {
    var code: ArchiveError.Code
    var reason: String

    init(_ code: ArchiveError.Code, _ reason: String) {
        self.code = code
        self.reason = reason
    }
}
