import CZstd

/// zstd (RFC 8878) through libzstd, at its default level.
final class ZstdEncoder: Encoder {
    private static let level: Int32 = 3
    private let context: OpaquePointer

    /// - Parameter jobs: how many threads; what comes out does not depend on it.
    init(jobs: Int) throws(ArchiveError) {
        guard let context = ZSTD_createCCtx() else {
            throw ArchiveError(.io, "no memory for a zstd compressor", isTransient: true)
        }
        self.context = context
        ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, Self.level)
        // One worker makes the same bytes as many, none makes others. A libzstd without threads knows only none.
        ZSTD_CCtx_setParameter(context, ZSTD_c_nbWorkers, Int32(clamping: max(1, jobs)))
    }

    deinit { ZSTD_freeCCtx(context) }

    func encode(
        _ input: UnsafeRawBufferPointer,
        into output: UnsafeMutableRawBufferPointer,
        isEnding: Bool
    ) throws(ArchiveError) -> EncoderProgress {
        var source = ZSTD_inBuffer(src: input.baseAddress, size: input.count, pos: 0)
        var target = ZSTD_outBuffer(dst: output.baseAddress, size: output.count, pos: 0)
        let rest = ZSTD_compressStream2(context, &target, &source, isEnding ? ZSTD_e_end : ZSTD_e_continue)
        guard ZSTD_isError(rest) == 0 else {
            throw ArchiveError(
                .io,
                "zstd cannot compress: \(String(cString: ZSTD_getErrorName(rest)))",
                isTransient: ZSTD_getErrorCode(rest) == ZSTD_error_memory_allocation
            )
        }
        return EncoderProgress(
            consumed: source.pos,
            produced: target.pos,
            isComplete: isEnding && rest == 0
        )
    }
}
