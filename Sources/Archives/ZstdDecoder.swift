import CZstd

/// zstd (RFC 8878) through libzstd, which checks the content checksum where the frame has one.
final class ZstdDecoder: Decoder {
    private let context: OpaquePointer
    private let windowLimit: Int32

    let padding = MemberPadding.forbidden
    let prefixLength = 4

    /// A decoder that refuses windows over `windowBytes`, rounded down to a power of two of at least 1 KiB.
    init(windowBytes: UInt64) throws(DecoderFailure) {
        guard let context = ZSTD_createDCtx() else {
            throw DecoderFailure(.limitExceeded, "no memory for a zstd decoder")
        }
        self.context = context
        windowLimit = min(31, max(10, Int32(63 - max(1, windowBytes).leadingZeroBitCount)))
        ZSTD_DCtx_setParameter(context, ZSTD_d_windowLogMax, windowLimit)
    }

    deinit { ZSTD_freeDCtx(context) }

    func begin(_ prefix: UnsafeRawBufferPointer) throws(DecoderFailure) -> Bool {
        guard prefix.count >= 4 else { return false }
        let magic = UInt32(littleEndian: prefix.loadUnaligned(as: UInt32.self))
        // 0x184D2A50 to 0x184D2A5F are skippable frames.
        guard magic == 0xFD2F_B528 || magic & 0xFFFF_FFF0 == 0x184D_2A50 else { return false }
        ZSTD_DCtx_reset(context, ZSTD_reset_session_only)
        return true
    }

    func decode(
        _ input: UnsafeRawBufferPointer,
        into output: UnsafeMutableRawBufferPointer
    ) throws(DecoderFailure) -> DecoderProgress {
        var source = ZSTD_inBuffer(src: input.baseAddress, size: input.count, pos: 0)
        var target = ZSTD_outBuffer(dst: output.baseAddress, size: output.count, pos: 0)
        let hint = ZSTD_decompressStream(context, &target, &source)
        if ZSTD_isError(hint) != 0 {
            throw switch ZSTD_getErrorCode(hint) {
            case ZSTD_error_frameParameter_windowTooLarge:
                DecoderFailure(
                    .limitExceeded,
                    "the frame needs a window of more than \(UInt64(1) << UInt64(windowLimit)) bytes; "
                        + "compress it again without --long or --ultra"
                )
            case ZSTD_error_checksum_wrong:
                DecoderFailure(.checksum, "the checksum does not match the content")
            case ZSTD_error_memory_allocation:
                DecoderFailure(.limitExceeded, "no memory for the frame's window")
            case ZSTD_error_dictionary_wrong: DecoderFailure(.unsupported, "the frame needs a dictionary")
            default:
                DecoderFailure(.invalid, "the frame is damaged (\(String(cString: ZSTD_getErrorName(hint))))")
            }
        }
        return DecoderProgress(consumed: source.pos, produced: target.pos, isMemberComplete: hint == 0)
    }
}
