import Archives
import Glibc
import TestSupport

extension Target {
    /// Every decoder: the same bytes or the same error however the stream comes in, within the limits.
    static let inflate = Target(
        name: "inflate",
        seeds: { try CompressedSeeds.all() },
        one: { data, size in
            let bytes = [UInt8](data, size)
            let whole = Inflated(bytes, chunk: .max, bufferSize: 64 << 10)
            let pieces = Inflated(bytes, chunk: 1 + size % 97, bufferSize: 1000 + size % 97)
            if whole != pieces { finding("in one piece \(whole), in several \(pieces)") }
            return 0
        },
        repair: nil
    )
}

/// What came of decompressing a stream. After an error only that there was one counts: how much came out before, and
/// which of two errors is met first, depends on the pieces.
private struct Inflated: Equatable {
    private static let limits = DecompressionLimits(windowBytes: 8 << 20, outputBytes: 4 << 20)

    var count = 0
    var checksum: UInt64 = 0
    var failed = false

    init(_ bytes: [UInt8], chunk: Int, bufferSize: Int) {
        let source = DecompressingSource(MemorySource(bytes, chunk: chunk), name: "x", limits: Self.limits)
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: bufferSize, alignment: 16)
        defer { buffer.deallocate() }
        do {
            while true {
                let read = try source.read(into: buffer)
                if read == 0 { break }
                count += read
                for byte in buffer.prefix(read) { checksum = (checksum ^ UInt64(byte)) &* 0x100_0000_01B3 }
            }
        } catch {
            (count, checksum, failed) = (0, 0, true)
            // A source that failed says so again.
            if (try? source.read(into: buffer)) != nil { finding("an error did not repeat") }
        }
    }
}

/// Streams as the tools make them.
private enum CompressedSeeds {
    static let commands = [
        ("gzip1", "gzip -1"), ("gzip9", "gzip -9"), ("zstd", "zstd -q"),
        ("zstd-check", "zstd -q -19 --check"),
        ("xz", "xz -0"), ("xz-sha", "xz -0 --check=sha256"), ("bzip2", "bzip2 -1"), ("lz4", "lz4 -q"),
        ("lz4-linked", "lz4 -q -BD -BX --content-size"), ("lz4-legacy", "lz4 -q -l"),
    ]

    static func all() throws -> [(name: String, bytes: [UInt8])] {
        let text = Array(String(repeating: "slipway and its layers ", count: 40).utf8)
        let content = text + TarCorpus.noise(300) + [UInt8](repeating: 7, count: 2000)
        var seeds: [(name: String, bytes: [UInt8])] = [("plain", content)]
        for (name, command) in commands {
            let stream = try pipe(content, through: command)
            seeds.append((name, stream))
            seeds.append((name + "-twice", stream + stream))
            seeds.append((name + "-empty", try pipe([], through: command)))
        }
        seeds.append(("skippable", [0x53, 0x2A, 0x4D, 0x18, 5, 0, 0, 0, 1, 2, 3, 4, 5]))
        return seeds
    }

    private static func pipe(_ bytes: [UInt8], through command: String) throws -> [UInt8] {
        let folder = try TemporaryDirectory("seeds")
        let input = try folder.write(bytes, to: "in")
        let status = system("\(command) -c < '\(input)' > '\(folder.appending("out"))'")
        guard status == 0 else { throw CommandFailure(description: "\(command) ended with \(status)") }
        return try folder.bytes(of: "out")
    }
}
