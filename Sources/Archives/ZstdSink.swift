import CZstd

/// Compresses with zstd (RFC 8878) through libzstd, at its default level.
final class ZstdSink: ByteSink {
    private static let level: Int32 = 3
    private let downstream: any ByteSink
    private let context: OpaquePointer
    private let output = UnsafeMutableRawBufferPointer.allocate(byteCount: 256 << 10, alignment: 64)

    /// - Parameter jobs: how many threads; what comes out does not depend on it.
    init(_ downstream: any ByteSink, jobs: Int) throws(ArchiveError) {
        guard let context = ZSTD_createCCtx() else {
            throw ArchiveError(.io, "no memory for a zstd compressor", isTransient: true)
        }
        self.downstream = downstream
        self.context = context
        ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, Self.level)
        // One worker makes the same bytes as many, none makes others. A libzstd without threads knows only none.
        ZSTD_CCtx_setParameter(context, ZSTD_c_nbWorkers, Int32(clamping: max(1, jobs)))
    }

    deinit {
        ZSTD_freeCCtx(context)
        output.deallocate()
    }

    func write(_ bytes: UnsafeRawBufferPointer) throws {
        var source = ZSTD_inBuffer(src: bytes.baseAddress, size: bytes.count, pos: 0)
        while source.pos < source.size { _ = try compress(&source, ZSTD_e_continue) }
    }

    func finish() throws {
        var source = ZSTD_inBuffer(src: nil, size: 0, pos: 0)
        while try compress(&source, ZSTD_e_end) > 0 {}
        try downstream.finish()
    }

    /// Passes on what comes out, and returns how much is still to come once the stream is ending.
    private func compress(_ source: inout ZSTD_inBuffer, _ directive: ZSTD_EndDirective) throws -> Int {
        var target = ZSTD_outBuffer(dst: output.baseAddress, size: output.count, pos: 0)
        let rest = ZSTD_compressStream2(context, &target, &source, directive)
        guard ZSTD_isError(rest) == 0 else {
            throw ArchiveError(
                .io,
                "zstd cannot compress: \(String(cString: ZSTD_getErrorName(rest)))",
                isTransient: ZSTD_getErrorCode(rest) == ZSTD_error_memory_allocation
            )
        }
        if target.pos > 0 { try downstream.write(UnsafeRawBufferPointer(rebasing: output[..<target.pos])) }
        return rest
    }
}
