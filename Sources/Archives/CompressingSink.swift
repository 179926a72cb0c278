public import OCI

/// Compresses a stream. The same bytes in are the same bytes out, on every machine with the same libraries and with any
/// number of threads, whatever pieces they come in.
public final class CompressingSink: ByteSink {
    private let compressor: any ByteSink

    /// Compresses what is written on its way to `downstream`.
    ///
    /// - Parameter jobs: threads that zstd may use.
    /// - Throws: ``ArchiveError`` when there is no memory for the compressor.
    public init(
        _ downstream: any ByteSink,
        compression: MediaType.Compression,
        jobs: Int = 1
    ) throws(ArchiveError) {
        compressor =
            switch compression {
            case .none: downstream
            case .gzip: try GzipSink(downstream)
            case .zstd: try ZstdSink(downstream, jobs: jobs)
            }
    }

    /// Compresses the bytes and passes on what comes out.
    public func write(_ bytes: UnsafeRawBufferPointer) throws { try compressor.write(bytes) }

    /// Ends the compressed stream.
    public func finish() throws { try compressor.finish() }
}
