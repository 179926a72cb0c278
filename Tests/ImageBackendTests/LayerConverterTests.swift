import EROFS
import Host
import OCI
import SystemPackage
import TestSupport
import Testing

@testable import ImageBackend

@Suite("A converted layer")
struct LayerConverterTests {
    static let compressions: [EROFS.Compression] = [
        .none, .lz4(clusterSize: 4096), .lz4(clusterSize: 65536), .lz4hc(level: 9, clusterSize: 16384),
    ]

    /// One of everything, with the attributes that get lost most easily.
    private var everything: TarBuilder {
        var tar = TarBuilder()
        tar.addDirectory("./", mode: 0o755, mtime: 1_600_000_000)
        tar.addDirectory("etc", mode: 0o2775, uid: 5, gid: 6)
        tar.add(
            "etc/passwd",
            mode: 0o640,
            uid: 4_000_000_000,
            gid: 70_000,
            mtime: 1,
            content: Array("root\n".utf8)
        )
        tar.add("etc/old", mtime: -1_000_000_000, nanoseconds: 250_000_000, content: [1])
        tar.add("etc/fine", mtime: 1_700_000_000, nanoseconds: 123_456_789, content: [2])
        tar.add("bin/su", mode: 0o4755, content: (0..<200_000).map { UInt8(truncatingIfNeeded: $0 / 7) })
        tar.add("bin/noise", content: Self.noise(300_001))
        tar.addSymbolicLink("etc/motd", to: "../run/motd")
        tar.addSymbolicLink("etc/long", to: String(repeating: "x/", count: 700))
        tar.addHardLink("bin/sudo", to: "bin/su")
        tar.addHardLink("bin/link-to-link", to: "etc/motd")
        tar.add("dev/null", type: "3", mode: 0o666, device: (1, 3))
        tar.add("dev/sda", type: "4", mode: 0o660, gid: 6, device: (8, 0))
        tar.add("run/pipe", type: "6", mode: 0o600)
        tar.add("empty")
        tar.add("bin/ping", mode: 0o755, content: [9], xattrs: [("security.capability", Self.capability)])
        tar.add("bin/ping2", mode: 0o755, content: [9], xattrs: [("security.capability", Self.capability)])
        tar.add(
            "noted",
            content: [3],
            xattrs: [("user.note", Array("hello".utf8)), ("trusted.mark", [0, 255]), ("user.empty", [])]
        )
        tar.add(String(repeating: "n", count: 255), content: [4])
        tar.addDirectory(String(repeating: "deep/", count: 60))
        return tar
    }

    /// A version 2 file capability, cap_net_raw+ep (linux/capability.h).
    private static let capability: [UInt8] = [1, 0, 0, 2, 0, 0x20, 0, 0] + [UInt8](repeating: 0, count: 12)

    /// Bytes that no compressor makes smaller, the same every time.
    static func noise(_ count: Int) -> [UInt8] {
        var state: UInt64 = 0x9E37_79B9_7F4A_7C15
        return (0..<count).map { _ in
            state ^= state << 13
            state ^= state >> 7
            state ^= state << 17
            return UInt8(truncatingIfNeeded: state >> 32)
        }
    }

    @Test(
        "shows through the kernel what unpacking the tar shows, whatever the compression and backing",
        arguments: compressions,
        KernelMount.Backing.allCases
    )
    func faithful(compression: EROFS.Compression, backing: KernelMount.Backing) async throws {
        let tar = everything.finish()
        let layer = try ConvertedLayer(tar, compression: compression)
        // Folders that only entries below imply get a time of tar's own choosing.
        let seen = try await layer.listing(backing, without: .folderTimes)
        let expected = try await unpacked(tar, without: .folderTimes)
        #expect(expected.entries.count > 80)
        #expect(seen.differences(from: expected) == [])
        #expect(layer.result.diffID == Digest.sha256(of: tar))
        #expect(layer.result.warnings == [])
    }

    @Test("keeps the times of the folders that the tar names")
    func folderTimes() async throws {
        var tar = TarBuilder()
        tar.addDirectory("./", mtime: 1_234_567_890)
        tar.addDirectory("a", mtime: 1_000_000_000)
        tar.addFile("a/x", "x")
        let seen = try await ConvertedLayer(tar.finish()).listing()
        let expected = try await unpacked(tar.finish())
        #expect(seen.differences(from: expected) == [])
    }

    @Test("is the same bytes every time, with one job or two", arguments: compressions)
    func reproducible(compression: EROFS.Compression) throws {
        let tar = everything.finish()
        let layers = try [1, 2, 2].map { try ConvertedLayer(tar, compression: compression, jobs: $0) }
        let digests = try layers.map { try Digest.sha256(of: $0.folder.bytes(of: "layer.erofs")) }
        #expect(Set(digests).count == 1)
    }

    @Test("does not depend on how the tar was compressed", arguments: ["gzip", "zstd", "xz", "bzip2", "lz4"])
    func inputCompression(program: String) async throws {
        let folder = try TemporaryDirectory("compressed")
        let tar = everything.finish()
        let plain = try folder.write(tar, to: "layer.tar")
        try await check("sh", ["-c", "\(program) -c < '\(plain)' > '\(folder.appending("layer.tar.x"))'"])
        let compressed = try ConvertedLayer(folder.bytes(of: "layer.tar.x"))
        let direct = try ConvertedLayer(tar)
        #expect(compressed.result.diffID == Digest.sha256(of: tar))
        #expect(compressed.result.digest == (try Digest.sha256(of: folder.bytes(of: "layer.tar.x"))))
        #expect(try compressed.folder.bytes(of: "layer.erofs") == direct.folder.bytes(of: "layer.erofs"))
    }

    @Test("has the diffID of the whole stream, also of what follows the end blocks")
    func diffIDToTheEnd() throws {
        let padded = everything.finish() + [UInt8](repeating: 0, count: 8192)
        #expect(try ConvertedLayer(padded).result.diffID == Digest.sha256(of: padded))
    }

    @Test("of end blocks alone is valid and has no entries")
    func endBlocksOnly() async throws {
        let layer = try ConvertedLayer(TarBuilder().finish())
        #expect(layer.result.summary.entries == 0)
        #expect(try await layer.listing().entries.count == 1)
    }

    @Test("reads sparse files with their holes", arguments: ["gnu", "posix"])
    func sparse(format: String) async throws {
        let folder = try TemporaryDirectory("sparse")
        let file = folder.appending("holes")
        try await check(
            "sh",
            [
                "-c",
                "cd '\(folder.path)' && truncate -s 3M holes && printf end >> holes && printf mid | dd of=holes bs=1 seek=1000000 conv=notrunc status=none",
            ]
        )
        try await check(
            "tar",
            [
                "-C", folder.path.string, "-S", "--format", format, "-cf", folder.appending("s.tar").string,
                file.lastComponent?.string ?? "",
            ]
        )
        let tar = try folder.bytes(of: "s.tar")
        #expect(tar.count < 200_000, "tar stored the holes")
        for compression in Self.compressions {
            let seen = try await ConvertedLayer(tar, compression: compression).listing(without: .folderTimes)
            let expected = try await unpacked(tar, without: .folderTimes)
            #expect(seen.entries["./holes"] == expected.entries["./holes"])
        }
    }
}
