import CShims
import EROFS
import Glibc
import Host
import SystemPackage
import TestSupport
import Testing

@Suite("Writing an image")
struct WriterTests {
    @Test(
        "the same calls make the same bytes with any number of jobs",
        arguments: KernelTests.compressions,
        [GuestKernel(5, 15), GuestKernel(6, 1)]
    )
    func reproducible(compression: Compression, guestKernel: GuestKernel) throws {
        let model = NastyTrees.random(seed: 77)
        func bytes(jobs: Int) throws -> [UInt8] {
            let options = WriterOptions(compression: compression, guestKernel: guestKernel, jobs: jobs)
            return try Image(model, options).bytes()
        }
        let once = try bytes(jobs: 1)
        #expect(try bytes(jobs: 1) == once)
        #expect(try bytes(jobs: 2) == once)
        #expect(try bytes(jobs: 5) == once)
    }

    @Test("a file that is there many times is stored once where files are packed")
    func identical() throws {
        var generator = SeededRandom(8)
        let noise = generator.noise(40_000)
        var model = Model()
        for index in 0..<200 { model.add("\(index)", .file([.bytes(noise)])) }
        model.add("other", .file([.bytes(noise.dropLast() + [1])]))
        let image = try Image(model, WriterOptions(guestKernel: GuestKernel(6, 1)))
        #expect(image.summary.size < 150_000)
        #expect(image.summary.minimumKernel == GuestKernel(6, 1))
        try expectReader(image, holds: model)
    }

    @Test("a file of several segments stays in one piece among packed ones", arguments: [1, 2, 3])
    func segments(jobs: Int) async throws {
        var generator = SeededRandom(9)
        var model = Model()
        for round in 0..<4 {
            model.add("large-\(round)", .file([.bytes(generator.prose((2 << 20) * (round + 1) + 1_000_000))]))
            for index in 0..<120 { model.add("\(round)-\(index)", .file([.bytes(generator.prose(30_000))])) }
        }
        let image = try Image(model, WriterOptions(guestKernel: GuestKernel(6, 1), jobs: jobs))
        try expectReader(image, holds: model)
        try await expectKernel(image, holds: model)
    }

    @Test("a file of mostly holes takes its data and next to nothing more, and one beyond 16 TiB is refused")
    func mostlyHoles() throws {
        let size: UInt64 = 1 << 40
        let image = try Image(WriterOptions(guestKernel: GuestKernel(6, 1))) { writer in
            try writer.beginFile(
                named: Array("sparse".utf8),
                in: writer.root,
                size: size,
                isMostlyHoles: true,
                attributes: Attributes(permissions: 0o644)
            )
            try Array("data".utf8).withUnsafeBytes { try writer.write($0) }
            try writer.writeHole(size - 4)
            try writer.endFile()
            #expect(throws: EROFSError.self) {
                try writer.beginFile(
                    named: Array("huge".utf8),
                    in: writer.root,
                    size: 17 << 40,
                    attributes: Attributes(permissions: 0o644)
                )
            }
        }
        #expect(image.summary.size < 8 << 20)
        let inode = try #require(try image.reader().lookup([Array("sparse".utf8)]))
        #expect(inode.size == size)
    }

    @Test("feature bits are only what the image uses")
    func features() throws {
        func features(
            _ compression: Compression,
            _ guestKernel: GuestKernel = GuestKernel(5, 15),
            _ fill: (inout Model) -> Void
        ) throws -> (UInt32, String) {
            var model = Model()
            fill(&model)
            let image = try Image(model, WriterOptions(compression: compression, guestKernel: guestKernel))
            return (
                try image.reader().superblock.incompatibleFeatures, image.summary.minimumKernel.description
            )
        }
        let zeros = Piece.bytes([UInt8](repeating: 0, count: 100_000))
        #expect(try features(.none) { $0.add("a", .file([zeros])) } == (0, "5.4"))
        #expect(try features(.none) { $0.add("a", .file([.hole(1 << 21)])) } == (4, "5.15"))
        #expect(try features(.lz4(clusterSize: 65536)) { $0.add("a", text: "short") } == (0, "5.4"))
        #expect(try features(.lz4(clusterSize: 4096)) { $0.add("a", .file([zeros])) } == (1, "5.4"))
        #expect(
            try features(.lz4(clusterSize: 65536), GuestKernel(5, 12)) { $0.add("a", .file([zeros])) } == (
                1, "5.4"
            )
        )
        #expect(
            try features(.none, GuestKernel(5, 14)) { $0.add("a", .file([.hole(1 << 21)])) } == (0, "5.4")
        )
        #expect(
            try features(.lz4(clusterSize: 65536), GuestKernel(6, 0)) { $0.add("a", .file([zeros])) } == (
                0x13, "5.17"
            )
        )
        #expect(
            try features(.lz4(clusterSize: 65536), GuestKernel(6, 1)) {
                $0.add("a", .file([.bytes([UInt8](repeating: 0, count: 999))]))
            } == (0x23, "6.1")
        )
        #expect(try features(.lz4(clusterSize: 65536)) { $0.add("a", .file([zeros])) } == (3, "5.13"))
    }

    @Test("data that does not shrink is stored as it is, and zeros shrink to nearly nothing")
    func falls_back() throws {
        var generator = SeededRandom(5)
        var model = Model()
        model.add("noise", .file([.bytes(generator.noise(3_000_000))]))
        model.add("zeros", .file([.bytes([UInt8](repeating: 0, count: 8 << 20))]))
        let image = try Image(model)
        let reader = try image.reader()
        #expect(try reader.lookup([Array("noise".utf8)])?.isCompressed == false)
        #expect(try reader.lookup([Array("zeros".utf8)])?.isCompressed == true)
        #expect(image.summary.size < 3_000_000 + 150_000)
    }

    @Test("a replaced file's data is counted as dead, whenever it goes")
    func dead() throws {
        var generator = SeededRandom(6)
        let noise = generator.noise(1_000_000)
        let image = try Image { writer in
            for round in 0..<2 {
                try writer.beginFile(
                    named: Array("file".utf8),
                    in: writer.root,
                    size: UInt64(noise.count),
                    attributes: Attributes(permissions: 0o644)
                )
                try noise.withUnsafeBytes { try writer.write($0) }
                try writer.endFile()
                if round == 0 {
                    try writer.addFIFO(named: [7], in: writer.root, attributes: Attributes(permissions: 0))
                }
            }
        }
        #expect((999_000...1_010_000).contains(image.summary.deadBytes))
        #expect(image.summary.entries == 2 && image.summary.inodes == 3)
    }

    @Test("a packed file's content is dead once no file has it")
    func deadPacked() throws {
        var generator = SeededRandom(7)
        let noise = generator.noise(40_000)
        let other = generator.noise(20_000)
        func dead(replacing names: [String]) throws -> UInt64 {
            try Image(WriterOptions(guestKernel: .fragments)) { writer in
                let contents =
                    [("a", noise), ("b", noise), ("c", other)] + names.map { ($0, Array($0.utf8)) }
                for (name, content) in contents {
                    try writer.beginFile(
                        named: Array(name.utf8),
                        in: writer.root,
                        size: UInt64(content.count),
                        attributes: Attributes(permissions: 0o644)
                    )
                    try content.withUnsafeBytes { try writer.write($0) }
                    try writer.endFile()
                }
            }.summary.deadBytes
        }
        // An inode with its map header is all that a file has to itself while another one has the same content.
        #expect(try dead(replacing: []) == 0)
        #expect(try dead(replacing: ["a"]) < 100)
        #expect((40_000...46_000).contains(try dead(replacing: ["a", "b"])))
        #expect((20_000...23_000).contains(try dead(replacing: ["c"])))
    }

    @Test("a compact inode that gets more than 65,535 names is moved into the extended form")
    func manyLinks() async throws {
        let image = try Image { writer in
            let attributes = Attributes(permissions: 0o644, modified: Timestamp(seconds: 5))
            let bytes = [UInt8](repeating: 33, count: 4000)
            let file = try writer.beginFile(
                named: Array("first".utf8),
                in: writer.root,
                size: 4000,
                attributes: attributes
            )
            try bytes.withUnsafeBytes { try writer.write($0) }
            try writer.endFile()
            for index in 0..<70_000 {
                try writer.addHardLink(named: Array("\(index)".utf8), in: writer.root, to: file)
            }
        }
        let inode = try #require(try image.reader().lookup([Array("69999".utf8)]))
        #expect(inode.links == 70_001 && !inode.isCompact && inode.modified.seconds == 5)
        #expect(try image.reader().readAll(inode) == [UInt8](repeating: 33, count: 4000))
        try await expectFsck(image)
    }

    @Test("a repeated attribute is stored once from its second appearance on")
    func shared() throws {
        var model = Model()
        let label = ExtendedAttribute("security.label", [UInt8](repeating: 1, count: 1000))
        for index in 0..<1000 { model.add("\(index)", .fifo, Attributes(permissions: 0, xattrs: [label])) }
        let image = try Image(model)
        #expect(image.summary.size < 200_000)
        try expectReader(image, holds: model)
    }

    @Test(
        "names that no folder can hold are refused by name",
        arguments: ["", ".", "..", "a/b", "a\0b", String(repeating: "x", count: 256)]
    )
    func names(name: String) throws {
        _ = try Image { writer in
            #expect(throws: EROFSError.self) {
                try writer.addFIFO(
                    named: Array(name.utf8),
                    in: writer.root,
                    attributes: Attributes(permissions: 0)
                )
            }
        }
    }

    @Test("what the format cannot express is refused")
    func unsupported() throws {
        _ = try Image { writer in
            let root = writer.root
            for xattr in [
                ExtendedAttribute("com.example", []),
                ExtendedAttribute("user.big", [UInt8](repeating: 0, count: 65_536)),
            ] {
                #expect(throws: EROFSError.self) {
                    try writer.addFIFO(
                        named: [65],
                        in: root,
                        attributes: Attributes(permissions: 0, xattrs: [xattr])
                    )
                }
            }
            #expect(throws: EROFSError.self) {
                try writer.addDevice(
                    named: [65],
                    in: root,
                    kind: .blockDevice,
                    major: 4096,
                    minor: 0,
                    attributes: Attributes(permissions: 0)
                )
            }
            #expect(throws: EROFSError.self) {
                try writer.addSymbolicLink(
                    named: [65],
                    in: root,
                    target: [],
                    attributes: Attributes(permissions: 0)
                )
            }
            #expect(writer.child(named: [65], of: root) == nil)
        }
    }

    @Test("a full disk is an error that says so, and stays one", arguments: [1, 2])
    func fullDisk(jobs: Int) throws {
        let folder = try TemporaryDirectory("full")
        #expect(shim_mount("tmpfs", folder.path.string, "tmpfs", 0, "size=2m") == 0)
        defer { #expect(shim_umount(folder.path.string, Int32(MNT_DETACH)) == 0) }
        let file = try File(folder.appending("image"), .readWrite, options: .create)
        let writer = try ImageWriter(file: file, options: WriterOptions(jobs: jobs))
        var generator = SeededRandom(1)
        let noise = generator.noise(1 << 20)
        try writer.beginFile(
            named: [65],
            in: writer.root,
            size: 20 << 20,
            attributes: Attributes(permissions: 0)
        )
        func isFull(_ error: any Error) -> Bool {
            if case .file(let cause)? = error as? EROFSError { cause.isOutOfSpace } else { false }
        }
        #expect(
            performing: { for _ in 0..<20 { try noise.withUnsafeBytes { try writer.write($0) } } },
            throws: isFull
        )
        #expect(performing: { _ = try writer.finish() }, throws: isFull)
    }

    @Test("cancelling ends the work with an error", arguments: [1, 2])
    func cancellation(jobs: Int) throws {
        let folder = try TemporaryDirectory("cancel")
        let cancellation = Cancellation()
        let file = try File(folder.appending("image"), .readWrite, options: .create)
        let writer = try ImageWriter(
            file: file,
            options: WriterOptions(jobs: jobs, cancellation: cancellation)
        )
        try writer.beginFile(named: [65], in: writer.root, size: 10, attributes: Attributes(permissions: 0))
        try writer.writeHole(10)
        try writer.endFile()
        cancellation.cancel()
        #expect(throws: EROFSError.cancelled) { try writer.finish() }
    }
}
