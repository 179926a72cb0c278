import CBZip2

/// bzip2 through libbz2, which checks each block's and the stream's CRC-32.
final class BZip2Decoder: Decoder {
    private let stream = UnsafeMutablePointer<bz_stream>.allocate(capacity: 1)
    private var isOpen = false

    let padding = MemberPadding.forbidden
    let prefixLength = 4

    init() { stream.initialize(to: bz_stream()) }

    deinit {
        if isOpen { BZ2_bzDecompressEnd(stream) }
        stream.deallocate()
    }

    func begin(_ prefix: UnsafeRawBufferPointer) throws(DecoderFailure) -> Bool {
        guard prefix.count >= 4, prefix.starts(with: Array("BZh".utf8)), (0x31...0x39).contains(prefix[3])
        else { return false }
        if isOpen { BZ2_bzDecompressEnd(stream) }
        isOpen = false
        stream.pointee = bz_stream()
        guard BZ2_bzDecompressInit(stream, 0, 0) == BZ_OK else {
            throw DecoderFailure(.limitExceeded, "no memory for a bzip2 decoder")
        }
        isOpen = true
        return true
    }

    func decode(
        _ input: UnsafeRawBufferPointer,
        into output: UnsafeMutableRawBufferPointer
    ) throws(DecoderFailure) -> DecoderProgress {
        let available = UInt32(clamping: input.count)
        let room = UInt32(clamping: output.count)
        stream.pointee.next_in = UnsafeMutablePointer(
            mutating: input.baseAddress?.assumingMemoryBound(to: CChar.self)
        )
        stream.pointee.avail_in = available
        stream.pointee.next_out = output.baseAddress?.assumingMemoryBound(to: CChar.self)
        stream.pointee.avail_out = room
        let code = BZ2_bzDecompress(stream)
        switch code {
        case BZ_OK, BZ_STREAM_END: break
        case BZ_MEM_ERROR: throw DecoderFailure(.limitExceeded, "no memory for a block")
        default: throw DecoderFailure(.checksum, "the data is damaged")
        }
        return DecoderProgress(
            consumed: Int(available - stream.pointee.avail_in),
            produced: Int(room - stream.pointee.avail_out),
            isMemberComplete: code == BZ_STREAM_END
        )
    }
}
