import CZlib

/// gzip (RFC 1952) through zlib, at its default level; the header holds no name and no time. ISA-L, which inflates, is
/// not used: what it makes depends on the processor.
final class GzipEncoder: Encoder {
    /// zlib keeps the address.
    private let stream = UnsafeMutablePointer<z_stream>.allocate(capacity: 1)

    init() throws(ArchiveError) {
        stream.initialize(to: z_stream())
        let code = deflateInit2_(
            stream,
            Z_DEFAULT_COMPRESSION,
            Z_DEFLATED,
            // The largest window, and a gzip header around it.
            15 + 16,
            8,
            Z_DEFAULT_STRATEGY,
            ZLIB_VERSION,
            Int32(MemoryLayout<z_stream>.size)
        )
        guard code == Z_OK else {
            stream.deallocate()
            throw ArchiveError(.io, "no memory for a gzip compressor", isTransient: true)
        }
    }

    deinit {
        deflateEnd(stream)
        stream.deallocate()
    }

    func encode(
        _ input: UnsafeRawBufferPointer,
        into output: UnsafeMutableRawBufferPointer,
        isEnding: Bool
    ) throws(ArchiveError) -> EncoderProgress {
        let inputCount = UInt32(clamping: input.count)
        let outputCount = UInt32(clamping: output.count)
        // zlib does not write to its input; its type says so only when asked at compile time.
        stream.pointee.next_in = UnsafeMutablePointer(
            mutating: input.baseAddress?.assumingMemoryBound(to: UInt8.self)
        )
        stream.pointee.avail_in = inputCount
        stream.pointee.next_out = output.baseAddress?.assumingMemoryBound(to: UInt8.self)
        stream.pointee.avail_out = outputCount
        let code = deflate(stream, isEnding ? Z_FINISH : Z_NO_FLUSH)
        guard [Z_OK, Z_STREAM_END, Z_BUF_ERROR].contains(code) else {
            throw ArchiveError(.io, "zlib cannot compress (\(code))")
        }
        return EncoderProgress(
            consumed: Int(inputCount - stream.pointee.avail_in),
            produced: Int(outputCount - stream.pointee.avail_out),
            isComplete: code == Z_STREAM_END
        )
    }
}
