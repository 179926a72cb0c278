import CLZ4

/// LZ4 frames through liblz4, which checks the header's, the blocks' and the content's xxHash-32 and the size.
final class LZ4Decoder: Decoder {
    /// What `lz4 -l` and Linux kernel images begin with; a format without sizes, checksums or an end.
    static let legacyMagic: [UInt8] = [0x02, 0x21, 0x4C, 0x18]

    private let context: OpaquePointer

    let padding = MemberPadding.forbidden
    let prefixLength = 4

    init() throws(DecoderFailure) {
        var context: OpaquePointer?
        guard LZ4F_isError(LZ4F_createDecompressionContext(&context, UInt32(LZ4F_VERSION))) == 0, let context
        else {
            throw DecoderFailure(.limitExceeded, "no memory for an LZ4 decoder")
        }
        self.context = context
    }

    deinit { LZ4F_freeDecompressionContext(context) }

    func begin(_ prefix: UnsafeRawBufferPointer) throws(DecoderFailure) -> Bool {
        guard prefix.count >= 4 else { return false }
        if prefix.starts(with: Self.legacyMagic) {
            throw DecoderFailure(
                .unsupported,
                "the legacy LZ4 format cannot be checked; compress it again without -l"
            )
        }
        let magic = UInt32(littleEndian: prefix.loadUnaligned(as: UInt32.self))
        guard magic == 0x184D_2204 || magic & 0xFFFF_FFF0 == 0x184D_2A50 else { return false }
        LZ4F_resetDecompressionContext(context)
        return true
    }

    func decode(
        _ input: UnsafeRawBufferPointer,
        into output: UnsafeMutableRawBufferPointer
    ) throws(DecoderFailure) -> DecoderProgress {
        var consumed = input.count
        var produced = output.count
        let hint = LZ4F_decompress(context, output.baseAddress, &produced, input.baseAddress, &consumed, nil)
        if LZ4F_isError(hint) != 0 {
            let reason = String(cString: LZ4F_getErrorName(hint))
            throw reason.lowercased().contains("checksum")
                ? DecoderFailure(.checksum, "a checksum does not match (\(reason))")
                : DecoderFailure(.invalid, "the frame is damaged (\(reason))")
        }
        return DecoderProgress(consumed: consumed, produced: produced, isMemberComplete: hint == 0)
    }
}
