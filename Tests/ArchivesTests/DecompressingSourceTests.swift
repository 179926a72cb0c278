import Archives
import Glibc
import Host
import SystemPackage
import TestSupport
import Testing

/// Streams made by the real tools.
@Suite("Decompressing source")
struct DecompressingSourceTests {
    static let tools: [(Compression, [String])] = [
        (.gzip, ["gzip", "-9"]), (.gzip, ["gzip", "-1"]), (.zstd, ["zstd", "-q"]),
        (.zstd, ["zstd", "-q", "-19", "--check"]),
        (.xz, ["xz", "-2"]), (.xz, ["xz", "--check=sha256"]), (.bzip2, ["bzip2"]), (.lz4, ["lz4", "-q"]),
        (.lz4, ["lz4", "-q", "-BD", "-BX", "--content-size"]),
    ]

    /// Compressible and not, with long runs.
    static let content: [UInt8] =
        TarCorpus.noise(150_000) + [UInt8](repeating: 7, count: 400_000)
        + Array(String(repeating: "slipway ", count: 9000).utf8)

    private func compress(_ bytes: [UInt8], _ tool: [String]) async throws -> [UInt8] {
        let folder = try TemporaryDirectory("archives")
        try folder.write(bytes, to: "in")
        try await check(
            "sh",
            ["-c", "\(tool.joined(separator: " ")) -c < \(folder.path)/in > \(folder.path)/out"]
        )
        return try #require(try AtomicFile.read(folder.appending("out")))
    }

    private func decompress(
        _ bytes: [UInt8],
        chunk: Int = .max,
        bufferSize: Int = 64 << 10,
        limits: DecompressionLimits = .default
    ) throws(ArchiveError) -> [UInt8] {
        let source = DecompressingSource(MemorySource(bytes, chunk: chunk), name: "x", limits: limits)
        return try readAll(source, bufferSize: bufferSize)
    }

    private func failure(_ bytes: [UInt8], limits: DecompressionLimits = .default) -> ArchiveError? {
        do {
            _ = try decompress(bytes, limits: limits)
            return nil
        } catch { return error }
    }

    @Test(
        "gives back what every tool compressed, in one member or several, however it is read",
        arguments: tools
    )
    func roundTrip(format: Compression, tool: [String]) async throws {
        let one = try await compress(Self.content, tool)
        let empty = try await compress([], tool)
        let many = one + empty + one
        let source = DecompressingSource(MemorySource(one), name: "x")
        #expect(try readAll(source) == Self.content)
        #expect(source.compression == format)
        #expect(try decompress(many) == Self.content + Self.content)
        #expect(try decompress(many, chunk: 1009, bufferSize: 77) == Self.content + Self.content)
        #expect(try decompress(one + one, chunk: 1) == Self.content + Self.content)
        #expect(try decompress(empty).isEmpty)
    }

    @Test("a stream cut anywhere is an error, never a shorter success", arguments: tools)
    func truncation(format: Compression, tool: [String]) async throws {
        let small = Array(Self.content[100_000..<151_000])
        let bytes = try await compress(small, tool)
        let offsets = Set(1..<40).union(bytes.count - 40..<bytes.count).union(
            stride(from: 40, to: bytes.count, by: 487)
        )
        for length in offsets.sorted() {
            // Below the length of its magic a format cannot be known, and the bytes pass as they are.
            let error = failure(Array(bytes[..<length]))
            #expect(
                error?.code == .truncated || (error == nil && length < 10),
                "\(length): \(String(describing: error))"
            )
        }
        // The second member cut.
        for length in [1, 3, 5, 9, 20, bytes.count - 1] {
            let error = failure(bytes + bytes[..<length])
            #expect([.truncated, .trailingGarbage].contains(error?.code), "\(length)")
        }
    }

    @Test("bytes after the last member are an error", arguments: tools)
    func trailingGarbage(format: Compression, tool: [String]) async throws {
        let bytes = try await compress([1, 2, 3], tool)
        for garbage in [[1], Array("garbage".utf8), [UInt8](repeating: 0xFF, count: 4096)] {
            #expect(failure(bytes + garbage)?.code == .trailingGarbage)
        }
        let zeros = failure(bytes + [UInt8](repeating: 0, count: 512))
        switch format {
        // gzip(1) and xz(1) accept such padding, of which xz must have a multiple of four bytes.
        case .gzip: #expect(zeros == nil)
        case .xz:
            #expect(zeros == nil)
            #expect(failure(bytes + [0, 0, 0])?.code == .invalid)
            #expect(try decompress(bytes + [0, 0, 0, 0] + bytes) == [1, 2, 3, 1, 2, 3])
        default: #expect(zeros?.code == .trailingGarbage)
        }
        if format == .gzip { #expect(failure(bytes + [0, 0] + bytes)?.code == .trailingGarbage) }
    }

    @Test("a flipped bit anywhere in a checked stream is an error", arguments: tools)
    func damage(format: Compression, tool: [String]) async throws {
        let bytes = try await compress(Array(Self.content[149_000..<160_000]), tool)
        let good = try decompress(bytes)
        for position in stride(from: 0, to: bytes.count, by: max(1, bytes.count / 300)) {
            var bad = bytes
            bad[position] ^= 0x10
            do {
                // Header fields such as gzip's time, and zstd and bzip2 block sizes, may change without a trace.
                let result = try decompress(bad)
                #expect(result == good || result == bad, "\(position)")
            } catch {
                #expect(
                    [.checksum, .invalid, .truncated, .unsupported, .limitExceeded, .trailingGarbage]
                        .contains(error.code)
                )
                #expect(error.message.hasPrefix("x: "))
            }
        }
    }

    @Test("gzip's header checksum, content checksum, length and reserved flags are checked")
    func gzipChecks() async throws {
        var bytes = try await compress(Self.content, ["gzip"])
        for (offset, code) in [(8, ArchiveError.Code.checksum), (4, .checksum), (1, .checksum)] {
            var bad = bytes
            bad[bytes.count - offset] ^= 1
            #expect(failure(bad)?.code == code)
        }
        var reserved = bytes
        reserved[3] |= 0x80
        #expect(failure(reserved)?.code == .invalid)
        var method = bytes
        method[2] = 7
        #expect(failure(method)?.code == .unsupported)
        // A name, a comment, an extra field and a header CRC, which is wrong and then right.
        #expect(bytes[3] & 0x1E == 0)
        bytes[3] |= 0x1E
        let header = Array(bytes[..<10]) + [3, 0, 1, 2, 3] + Array("name\0comment\0".utf8)
        let rest = bytes[10...]
        #expect(failure(header + [0, 0] + rest)?.code == .checksum)
        let sum = Self.crc32(header) & 0xFFFF
        let good = header + [UInt8(sum & 0xFF), UInt8(sum >> 8)] + rest
        #expect(try decompress(good) == Self.content)
        #expect(try decompress(good, chunk: 1) == Self.content)
    }

    @Test("zstd's skippable frames are passed over, wherever they are")
    func skippable() async throws {
        let bytes = try await compress(Self.content, ["zstd", "-q"])
        let skippable: [UInt8] = [0x53, 0x2A, 0x4D, 0x18, 5, 0, 0, 0, 1, 2, 3, 4, 5]
        #expect(try decompress(skippable + bytes + skippable) == Self.content)
        #expect(failure(bytes + skippable.dropLast())?.code == .truncated)
    }

    @Test("windows over the limit are refused with what to do")
    func windows() async throws {
        let zstd = try await compress(Self.content, ["zstd", "-q", "--long=30"])
        #expect(failure(zstd)?.code == .limitExceeded)
        #expect(failure(zstd, limits: DecompressionLimits(windowBytes: 1 << 30)) == nil)
        // A frame header without single segment: window descriptor 0xA8 asks for 2 GiB.
        let huge: [UInt8] = [0x28, 0xB5, 0x2F, 0xFD, 0x00, 0xA8, 0x01, 0, 0]
        let refusal = failure(huge + [0])
        #expect(refusal?.code == .limitExceeded)
        #expect(refusal?.message.contains("--long") == true)
        let xz = try await compress(Self.content, ["xz", "-9"])
        #expect(failure(xz) == nil)
        #expect(failure(xz, limits: DecompressionLimits(windowBytes: 1 << 20))?.code == .limitExceeded)
    }

    @Test("output and expansion can be limited")
    func limits() async throws {
        let bomb = try await compress([UInt8](repeating: 0, count: 80 << 20), ["gzip"])
        #expect(failure(bomb, limits: DecompressionLimits(outputBytes: 1 << 20))?.code == .limitExceeded)
        #expect(failure(bomb, limits: DecompressionLimits(expansionRatio: 100))?.code == .limitExceeded)
        #expect(
            failure(bomb, limits: DecompressionLimits(outputBytes: 80 << 20, expansionRatio: 2000)) == nil
        )
    }

    @Test("the legacy LZ4 format is refused by name")
    func legacyLZ4() async throws {
        let error = failure(try await compress(Self.content, ["lz4", "-q", "-l"]))
        #expect(error?.code == .unsupported && error?.message.contains("legacy") == true)
    }

    @Test("what is not compressed passes through")
    func plain() throws {
        for bytes in [[], [0x1F], Array("BZh9 is how this text begins".utf8), Self.content] {
            let source = DecompressingSource(MemorySource(bytes), name: "x")
            #expect(try readAll(source) == bytes)
            #expect(source.compression == Compression.none)
        }
    }

    /// RFC 1952's CRC-32, bit by bit.
    static func crc32(_ bytes: [UInt8]) -> UInt32 {
        ~bytes.reduce(~0) { crc, byte in
            (0..<8).reduce(crc ^ UInt32(byte)) { value, _ in value >> 1 ^ (value & 1 == 1 ? 0xEDB8_8320 : 0) }
        }
    }
}
