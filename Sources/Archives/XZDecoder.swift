import CLZMA

/// xz through liblzma, which checks headers, index and the blocks' checks (CRC-32, CRC-64, SHA-256).
final class XZDecoder: Decoder {
    private let stream = UnsafeMutablePointer<lzma_stream>.allocate(capacity: 1)
    private let memoryLimit: UInt64
    /// LZMA_TELL_UNSUPPORTED_CHECK of lzma/container.h, a macro that Swift does not see: a check that cannot be
    /// verified is an error.
    private static let tellUnsupportedCheck: UInt32 = 0x02

    let padding = MemberPadding.groupsOfFour
    let prefixLength = 6

    /// A decoder that refuses dictionaries over `windowBytes`.
    init(windowBytes: UInt64) {
        // What LZMA_STREAM_INIT, a macro that Swift does not see, is: all zeros.
        stream.initialize(to: lzma_stream())
        // Beside the dictionary the decoder's own state takes well under a mebibyte.
        memoryLimit = windowBytes.addingReportingOverflow(1 << 20).overflow ? .max : windowBytes + (1 << 20)
    }

    deinit {
        lzma_end(stream)
        stream.deallocate()
    }

    func begin(_ prefix: UnsafeRawBufferPointer) throws(DecoderFailure) -> Bool {
        guard prefix.starts(with: [0xFD, 0x37, 0x7A, 0x58, 0x5A, 0x00]) else { return false }
        let code = lzma_stream_decoder(stream, memoryLimit, Self.tellUnsupportedCheck)
        guard code == LZMA_OK else { throw DecoderFailure(.limitExceeded, "no memory for an xz decoder") }
        return true
    }

    func decode(
        _ input: UnsafeRawBufferPointer,
        into output: UnsafeMutableRawBufferPointer
    ) throws(DecoderFailure) -> DecoderProgress {
        stream.pointee.next_in = input.baseAddress?.assumingMemoryBound(to: UInt8.self)
        stream.pointee.avail_in = input.count
        stream.pointee.next_out = output.baseAddress?.assumingMemoryBound(to: UInt8.self)
        stream.pointee.avail_out = output.count
        let code = lzma_code(stream, LZMA_RUN)
        switch code {
        // LZMA_BUF_ERROR only says that there was nothing to do.
        case LZMA_OK, LZMA_STREAM_END, LZMA_BUF_ERROR: break
        case LZMA_MEMLIMIT_ERROR:
            throw DecoderFailure(
                .limitExceeded,
                "the dictionary needs more than \(memoryLimit) bytes of memory; compress it with xz -9 or less"
            )
        case LZMA_MEM_ERROR: throw DecoderFailure(.limitExceeded, "no memory for the dictionary")
        case LZMA_UNSUPPORTED_CHECK:
            throw DecoderFailure(.unsupported, "its integrity check is of an unknown kind")
        case LZMA_OPTIONS_ERROR:
            throw DecoderFailure(.unsupported, "it uses filters or flags that are not known")
        default: throw DecoderFailure(.checksum, "the data is damaged")
        }
        return DecoderProgress(
            consumed: input.count - stream.pointee.avail_in,
            produced: output.count - stream.pointee.avail_out,
            isMemberComplete: code == LZMA_STREAM_END
        )
    }
}
