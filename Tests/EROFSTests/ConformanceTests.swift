import EROFS
import Glibc
import Host
import SystemPackage
import TestSupport
import Testing

/// Everything the writer can be told, over everything a tree can hold, judged by the kernel's mount, `fsck.erofs` with
/// extraction, our reader and our check, and against the image that `mkfs.erofs` makes of the same tree.
@Suite("Conformance", .serialized)
struct ConformanceTests {
    /// A way to write an image, and how to tell mkfs.erofs 1.5 to write one like it.
    struct Way: Sendable, CustomTestStringConvertible {
        var testDescription: String
        var options: WriterOptions
        var mkfs: [String]

        init(_ compression: Compression, for guestKernel: GuestKernel = .chunks, mkfs: [String]) {
            testDescription = "\(compression) for Linux \(guestKernel)"
            options = WriterOptions(compression: compression, guestKernel: guestKernel)
            self.mkfs = mkfs
        }
    }

    static let ways = [
        Way(.none, mkfs: []), Way(.lz4(clusterSize: 4096), mkfs: ["-zlz4"]),
        Way(.lz4(clusterSize: 16384), mkfs: ["-zlz4", "-C16384"]),
        Way(.lz4(clusterSize: 65536), mkfs: ["-zlz4", "-C65536"]),
        Way(.lz4hc(level: 3, clusterSize: 16384), mkfs: ["-zlz4hc,3", "-C16384"]),
        Way(.lz4hc(level: 9, clusterSize: 4096), mkfs: ["-zlz4hc,9"]),
        Way(.lz4(clusterSize: 4096), for: GuestKernel(5, 4), mkfs: ["-zlz4"]),
        Way(.lz4(clusterSize: 65536), for: GuestKernel(5, 17), mkfs: ["-zlz4", "-C65536"]),
        Way(.lz4(clusterSize: 65536), for: GuestKernel(6, 1), mkfs: ["-zlz4", "-C65536"]),
    ]

    @Test("all judges agree on every file shape, whatever the way of writing", arguments: ways)
    func shapes(way: Way) async throws { try await judge(NastyTrees.shapes(), way) }

    @Test(
        "all judges agree on every kind, name, number, attribute and link",
        arguments: [ways[0], ways[3], ways[8]]
    )
    func everything(way: Way) async throws { try await judge(NastyTrees.everything(), way) }

    @Test("folders from empty to many blocks list the same for mkfs.erofs, fsck.erofs and the reader")
    func folders() async throws {
        var model = Model()
        for count in [0, 1, 100, 227, 228, 229, 3000] {
            model.add("\(count)", .directory)
            for number in 0..<count { model.add("\(count)/entry-\(number)", .file([])) }
        }
        // Long names, of which a block holds fifteen. (mkfs.erofs 1.5 fails on those of 255 bytes.)
        for number in 10..<60 { model.add("\(number)" + String(repeating: "n", count: 252), .fifo) }
        try await judge(model, Self.ways[0])
    }

    @Test("a file of more than 65,535 names has all of them")
    func manyNames() async throws {
        let count = 66_000
        let image = try Image { writer in
            let file = try writer.beginFile(
                named: Array("first".utf8),
                in: writer.root,
                size: 0,
                attributes: Attributes(permissions: 0o644)
            )
            try writer.endFile()
            for index in 1..<count {
                try writer.addHardLink(named: Array("\(index)".utf8), in: writer.root, to: file)
            }
        }
        _ = try ImageCheck().check(File(image.path, .readOnly))
        try await withMount(image, loop: false) { mount in
            var status = stat()
            #expect(lstat(mount.appending("65999").string, &status) == 0)
            #expect(status.st_nlink == UInt(count))
            let names = try Directory.names(in: mount)
            #expect(names.count == count)
        }
    }

    @Test("files around 4 GiB have their size and both ends", arguments: ways.prefix(4))
    func fourGiB(way: Way) async throws {
        let edge: UInt64 = 4 << 30
        let ends: [UInt8] = [1, 2, 3, 4, 5]
        var model = Model()
        for size in [edge - 1, edge, edge + 1] {
            // The first time makes the inode compact where its size allows that.
            let attributes = Attributes(permissions: 0o600, modified: Timestamp(seconds: 9))
            model.add("\(size)", .file([.bytes(ends), .hole(size - 10), .bytes(ends)]), attributes)
        }
        let image = try Image(model, way.options)
        try await withMount(image, loop: false) { mount in
            let reader = try image.reader()
            for size in [edge - 1, edge, edge + 1] {
                let inode = try #require(try reader.lookup([Array("\(size)".utf8)]))
                let file = try File(mount.appending("\(size)"), .readOnly)
                #expect(try file.status().size == size && inode.size == size)
                // The compact inode counts bytes in 32 bits.
                #expect(size < edge || !inode.isCompact)
                for offset in [0, size - 5] {
                    var ours = [UInt8](repeating: 0, count: 6)
                    var kernels = ours
                    let read = try ours.withUnsafeMutableBytes {
                        try reader.read(inode, at: offset, into: $0)
                    }
                    #expect(
                        try kernels.withUnsafeMutableBytes { try file.read(into: $0, at: offset) } == read
                    )
                    #expect(ours == kernels && Array(ours.prefix(5)) == ends)
                }
            }
        }
    }

    private func judge(_ model: Model, _ way: Way) async throws {
        var options = way.options
        options.jobs = 3
        let image = try Image(model, options)
        options.jobs = 1
        let alone = try Image(model, options).bytes()
        #expect(try image.bytes() == alone, "the number of jobs changes the image")
        try expectReader(image, holds: model)
        let report = try ImageCheck().check(File(image.path, .readOnly))
        #expect(report.inodes <= image.summary.inodes && report.entries == image.summary.entries)
        try await withMount(image, loop: false) { mount in
            try expectRandomReads(image, at: mount, hold: model)
            try expectMount(mount, holds: model)
            // fsck.erofs 1.5 leaves the holes of chunk-based files out of what it extracts, and loses set-user-ID.
            let hasChunks = try image.reader().superblock.incompatibleFeatures & 4 != 0
            let unfit = ["./large-id"] + (hasChunks ? ["./hole-"] : [])
            // It is also older than files that are packed together.
            if image.summary.minimumKernel < GuestKernel(6, 1) {
                try await expectExtraction(of: image, like: mount, exceptFor: unfit)
            }
            try await expectSameTree(image, mount, asByMkfs: way.mkfs)
        }
    }

    /// Has mkfs.erofs make an image of what is mounted, and compares what the kernel shows of both.
    private func expectSameTree(_ image: Image, _ mount: FilePath, asByMkfs arguments: [String]) async throws
    {
        let theirs = image.folder.appending("theirs.erofs")
        try await check("mkfs.erofs", ["--quiet"] + arguments + [theirs.string, mount.string])
        let other = try await KernelMount.erofs(theirs)
        let expected = try TreeListing(other.path)
        // mkfs.erofs 1.5 cuts the last byte off a name of 255.
        let differences = try TreeListing(mount).differences(from: expected).filter {
            !$0.dropFirst(2).hasPrefix("./names/nnn")
        }
        #expect(differences == [])
    }
}
