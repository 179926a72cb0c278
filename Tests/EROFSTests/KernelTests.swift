import EROFS
import Host
import SystemPackage
import Testing

@Suite("An image, judged by the kernel, fsck.erofs and the reader", .serialized)
struct KernelTests {
    static let compressions: [Compression] = [
        .none, .lz4(clusterSize: 4096), .lz4(clusterSize: 16384), .lz4(clusterSize: 65536),
        .lz4hc(level: 3, clusterSize: 65536),
    ]

    /// The oldest, the newest before each feature, and the newest.
    static let guestKernels = [GuestKernel(5, 4), GuestKernel(5, 15), GuestKernel(5, 17), GuestKernel(6, 1)]

    @Test(
        "every kind, size, name and attribute comes back as it was put in",
        arguments: compressions,
        guestKernels
    )
    func everything(compression: Compression, guestKernel: GuestKernel) async throws {
        let model = NastyTrees.everything()
        let image = try Image(
            model,
            WriterOptions(compression: compression, guestKernel: guestKernel, jobs: 2)
        )
        #expect(image.summary.minimumKernel <= guestKernel)
        try expectReader(image, holds: model)
        _ = try ImageCheck().check(File(image.path, .readOnly))
        // Debian 12's fsck.erofs is older than files that are packed together.
        if image.summary.minimumKernel < GuestKernel(6, 1) { try await expectFsck(image) }
        try await expectKernel(image, holds: model)
    }

    @Test("an image mounts through a loop device as well")
    func loop() async throws {
        let model = NastyTrees.everything()
        let image = try Image(model)
        try await expectKernel(image, holds: model, loop: true)
    }

    @Test("random trees come back as they were put in", arguments: Array<UInt64>(1...12))
    func random(seed: UInt64) async throws {
        let model = NastyTrees.random(seed: seed)
        let compression = Self.compressions[Int(seed) % Self.compressions.count]
        let guestKernel = Self.guestKernels[Int(seed) % Self.guestKernels.count]
        let image = try Image(
            model,
            WriterOptions(compression: compression, guestKernel: guestKernel, jobs: Int(seed % 3) + 1)
        )
        try expectReader(image, holds: model)
        _ = try ImageCheck().check(File(image.path, .readOnly))
        if image.summary.minimumKernel < GuestKernel(6, 1) { try await expectFsck(image) }
        try await expectKernel(image, holds: model)
    }

    @Test(
        "folders of any number of entries, at the limits of their blocks",
        arguments: [0, 1, 2, 150, 330, 10_000]
    )
    func folders(count: Int) async throws {
        let model = NastyTrees.folder(of: count)
        let image = try Image(model)
        try expectReader(image, holds: model)
        try await expectFsck(image)
        try await withMount(image, loop: false) { mount in
            let names = try Directory.names(in: mount.appending("folder")).map(\.string)
            #expect(names.sorted() == (0..<count).map { "\($0)" }.sorted())
        }
    }

    @Test("holes above 4 GiB take next to no space", arguments: [Compression.none, .lz4(clusterSize: 65536)])
    func holes(compression: Compression) async throws {
        var model = Model()
        model.add("empty", .file([.hole(4 << 20)]))
        model.add("inside", .file([.hole(3_000_001), .bytes([1]), .hole(3_000_000), .bytes([2, 3])]))
        let small = try Image(model, WriterOptions(compression: compression))
        try expectReader(small, holds: model)
        try await expectKernel(small, holds: model)
        model.add("sparse", .file([.bytes(Array("begin".utf8)), .hole(4 << 30), .bytes(Array("end".utf8))]))
        let image = try Image(model, WriterOptions(compression: compression))
        #expect(image.summary.size < 64 << 20)
        #expect(image.summary.minimumKernel.description == (compression == .none ? "5.15" : "5.13"))
        let reader = try image.reader()
        let sparse = try #require(try reader.lookup([Array("sparse".utf8)]))
        try await withMount(image, loop: false) { mount in
            let file = try File(mount.appending("sparse"), .readOnly)
            for (offset, expected) in [
                (UInt64(0), Array("begin".utf8) + [0]), (4 + (4 << 30), [0] + Array("end".utf8)),
            ] {
                var ours = [UInt8](repeating: 9, count: expected.count)
                var kernels = ours
                #expect(
                    try ours.withUnsafeMutableBytes { try reader.read(sparse, at: offset, into: $0) }
                        == expected.count
                )
                #expect(
                    try kernels.withUnsafeMutableBytes { try file.read(into: $0, at: offset) }
                        == expected.count
                )
                #expect(ours == expected && kernels == expected)
            }
        }
    }
}
