public import OCI

/// Compresses a stream. The same bytes in are the same bytes out, on every machine with the same libraries and with any
/// number of threads, whatever pieces they come in.
public final class CompressingSink: ByteSink {
    private let downstream: any ByteSink
    private let encoder: (any Encoder)?
    private let output = UnsafeMutableRawBufferPointer.allocate(byteCount: 256 << 10, alignment: 64)

    /// Compresses what is written on its way to `downstream`.
    ///
    /// - Parameters:
    ///   - jobs: threads that zstd may use.
    /// - Throws: ``ArchiveError`` when there is no memory for the compressor.
    public init(
        _ downstream: any ByteSink,
        compression: MediaType.Compression,
        jobs: Int = 1
    ) throws(ArchiveError) {
        self.downstream = downstream
        encoder =
            switch compression {
            case .none: nil
            case .gzip: try GzipEncoder()
            case .zstd: try ZstdEncoder(jobs: jobs)
            }
    }

    deinit { output.deallocate() }

    /// Compresses the bytes and passes on what comes out.
    public func write(_ bytes: UnsafeRawBufferPointer) throws {
        guard let encoder else { return try downstream.write(bytes) }
        var rest = bytes[...]
        while !rest.isEmpty {
            let progress = try encoder.encode(
                UnsafeRawBufferPointer(rebasing: rest),
                into: output,
                isEnding: false
            )
            rest = rest.dropFirst(progress.consumed)
            try pass(progress.produced)
        }
    }

    /// Ends the compressed stream.
    public func finish() throws {
        if let encoder {
            var isComplete = false
            while !isComplete {
                let progress = try encoder.encode(.init(start: nil, count: 0), into: output, isEnding: true)
                isComplete = progress.isComplete
                try pass(progress.produced)
            }
        }
        try downstream.finish()
    }

    private func pass(_ count: Int) throws {
        guard count > 0 else { return }
        try downstream.write(UnsafeRawBufferPointer(rebasing: output[..<count]))
    }
}

/// Compresses a stream a buffer at a time.
protocol Encoder: AnyObject {
    /// Takes some of the input and puts some output out. Once `isEnding`, there is no more input.
    func encode(
        _ input: UnsafeRawBufferPointer,
        into output: UnsafeMutableRawBufferPointer,
        isEnding: Bool
    ) throws(ArchiveError) -> EncoderProgress
}

/// How far a call of an encoder came.
struct EncoderProgress {
    var consumed: Int
    var produced: Int
    /// Whether the stream has ended and all of it is put out.
    var isComplete: Bool
}
