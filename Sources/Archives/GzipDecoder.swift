import CISAL

/// gzip (RFC 1952): the header by ``GzipHeader``, the data by ISA-L, which checks the CRC-32 and the length behind it.
final class GzipDecoder: Decoder {
    private var header = GzipHeader()
    private let state = UnsafeMutablePointer<inflate_state>.allocate(capacity: 1)

    let padding = MemberPadding.toTheEnd
    let prefixLength = 4

    init() { isal_inflate_init(state) }

    deinit { state.deallocate() }

    func begin(_ prefix: UnsafeRawBufferPointer) throws(DecoderFailure) -> Bool {
        guard prefix.starts(with: [0x1F, 0x8B]) else { return false }
        if prefix.count > 2, prefix[2] != 8 {
            throw DecoderFailure(.unsupported, "compression method \(prefix[2]) is not deflate")
        }
        if prefix.count > 3, prefix[3] & 0xE0 != 0 {
            throw DecoderFailure(.invalid, "reserved header flags are set (\(prefix[3]))")
        }
        header = GzipHeader()
        isal_inflate_reset(state)
        state.pointee.crc_flag = UInt32(ISAL_GZIP_NO_HDR_VER)
        return true
    }

    func decode(
        _ input: UnsafeRawBufferPointer,
        into output: UnsafeMutableRawBufferPointer
    ) throws(DecoderFailure) -> DecoderProgress {
        guard header.isComplete else {
            return DecoderProgress(consumed: try header.take(input), produced: 0, isMemberComplete: false)
        }
        let available = UInt32(clamping: input.count)
        let room = UInt32(clamping: output.count)
        state.pointee.next_in = UnsafeMutablePointer(
            mutating: input.baseAddress?.assumingMemoryBound(to: UInt8.self)
        )
        state.pointee.avail_in = available
        state.pointee.next_out = output.baseAddress?.assumingMemoryBound(to: UInt8.self)
        state.pointee.avail_out = room
        let code = isal_inflate(state)
        guard code >= 0 else {
            throw code == ISAL_INCORRECT_CHECKSUM
                ? DecoderFailure(.checksum, "the checksum or length does not match the content")
                : DecoderFailure(.invalid, "the deflate data is damaged")
        }
        return DecoderProgress(
            consumed: Int(available - state.pointee.avail_in),
            produced: Int(room - state.pointee.avail_out),
            isMemberComplete: state.pointee.block_state == ISAL_BLOCK_FINISH
        )
    }
}
