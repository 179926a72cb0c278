import Archives
import Host
import OCI
import SystemPackage
import TestSupport
import Testing

@Suite("Compressing a stream")
struct CompressingSinkTests {
    private final class Collected: ByteSink {
        var bytes: [UInt8] = []
        var isFinished = false
        func write(_ bytes: UnsafeRawBufferPointer) { self.bytes += bytes }
        func finish() { isFinished = true }
    }

    private func compressed(
        _ bytes: [UInt8],
        _ compression: MediaType.Compression,
        pieces: Int,
        jobs: Int = 1
    ) throws -> [UInt8] {
        let collected = Collected()
        let sink = BufferedSink(
            try CompressingSink(collected, compression: compression, jobs: jobs),
            capacity: 1000
        )
        var rest = bytes[...]
        while !rest.isEmpty {
            try rest.prefix(pieces).withUnsafeBytes { try sink.write($0) }
            rest = rest.dropFirst(pieces)
        }
        try sink.finish()
        #expect(collected.isFinished)
        return collected.bytes
    }

    /// Text that shrinks, noise that does not, and more than any buffer.
    private static let samples: [[UInt8]] = [
        [], [1], Array(repeating: 7, count: 5_000_000),
        TarCorpus.noise(1_500_000) + Array(String(repeating: "slipway ", count: 300_000).utf8),
    ]

    @Test(
        "gives what the format's own program reads",
        arguments: [(MediaType.Compression.gzip, "gzip"), (.zstd, "zstd")],
        samples.indices
    )
    func readable(format: (compression: MediaType.Compression, program: String), sample: Int) async throws {
        let bytes = Self.samples[sample]
        let folder = try TemporaryDirectory("compressed")
        let file = try folder.write(
            try compressed(bytes, format.compression, pieces: 77_777),
            to: "x.\(format.program)"
        )
        let output = folder.appending("out")
        try await check("sh", ["-c", "\(format.program) -dc '\(file)' >'\(output)'"])
        #expect(try AtomicFile.read(output) == bytes)
    }

    @Test(
        "gives the same bytes whatever pieces they come in and however many threads there are",
        arguments: [MediaType.Compression.gzip, .zstd, .none]
    )
    func deterministic(compression: MediaType.Compression) throws {
        let bytes = Self.samples[3]
        let expected = try compressed(bytes, compression, pieces: bytes.count)
        for (pieces, jobs) in [(1 << 20, 2), (333, 1), (100_000, 4)] {
            #expect(try compressed(bytes, compression, pieces: pieces, jobs: jobs) == expected)
        }
        #expect((compression == .none) == (expected == bytes))
        // RFC 1952: the time of change, which would make every archive another.
        if compression == .gzip { #expect(expected[4..<8].allSatisfy { $0 == 0 }) }
    }
}
