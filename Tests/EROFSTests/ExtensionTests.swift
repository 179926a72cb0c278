import EROFS
import Host
import SystemPackage
import TestSupport
import Testing

@Suite("Extending an image")
struct ExtensionTests {
    /// A copy of an image, extended.
    private func extend(
        _ image: FilePath,
        uuid: UInt8 = 7,
        _ fill: (ImageWriter) throws -> Void
    ) throws -> Image {
        let uuid = [UInt8](repeating: uuid, count: 16)
        return try Image(copying: image) { file in
            let writer = try ImageWriter(
                extending: file,
                options: WriterOptions(compression: .none, uuid: uuid)
            )
            try fill(writer)
            return try writer.finish()
        }
    }

    private func node(_ path: String, _ writer: ImageWriter) throws -> ImageWriter.Node {
        try path.split(separator: "/").reduce(writer.root) { folder, name in
            try #require(writer.child(named: Array(name.utf8), of: folder))
        }
    }

    @Test(
        "adds, replaces, links and describes as in one image, and the old one comes back bit for bit",
        arguments: KernelTests.compressions,
        [UInt64(1), 2]
    )
    func anything(compression: Compression, seed: UInt64) async throws {
        var model = NastyTrees.random(seed: seed)
        let old = try Image(model, WriterOptions(compression: compression))
        var more = Model()
        more.root = Attributes(
            permissions: 0o1751,
            userID: 70_000,
            xattrs: [ExtendedAttribute("user.r", [1])]
        )
        for number in 0..<300 { more.add("many-\(number)", text: "\(number)") }
        more.add("added", .directory, Attributes(permissions: 0o700, modified: Model.time))
        more.add("added/file", .file([.bytes(Array(repeating: 65, count: 70_000))]))
        more.add("added/link", .symbolicLink(Array("file".utf8)))
        let file = try #require(
            model.items.first { if case .file = $0.thing { $0.path.count == 1 } else { false } }
        )
        more.add([Array("added".utf8), Array("linked".utf8)], .link(file.path))
        let image = try extend(old.path) { writer in
            try writer.setAttributes(more.root, of: writer.root)
            for item in more.items { try item.write(with: writer) }
        }
        model.root = more.root
        for item in more.items { model.add(item.path, item.thing, item.attributes) }
        try expectReader(image, holds: model)
        try await expectFsck(image)
        _ = try ImageCheck().check(File.regular(image.path))
        try await expectKernel(image, holds: model, loop: false)
        #expect(
            try image.bytes().prefix(Int(old.summary.size)).dropFirst(4096) == old.bytes().dropFirst(4096)
        )

        let view = try ImageReader(file: File(image.path, .readOnly), extended: old.summary.size)
        #expect(try view.superblock == old.reader().superblock)
        try ImageWriter.restoreExtended(File(image.path, .readWrite), toSize: old.summary.size)
        #expect(try image.bytes() == old.bytes())
    }

    @Test("moves files and folders, and removes them, with link counts that stay right")
    func moves() async throws {
        var model = Model()
        model.add("a", .directory)
        model.add("a/one", text: "one")
        model.add("a/two", .link([Array("a".utf8), Array("one".utf8)]))
        model.add("a/deep", .directory)
        model.add("a/deep/x", text: "x")
        model.add("b", .directory)
        model.add("gone", text: "gone")
        model.add("kept", .link([Array("gone".utf8)]))
        let old = try Image(model)
        let image = try extend(old.path) { writer in
            try writer.move(node("a/deep", writer), named: Array("moved".utf8), in: node("b", writer))
            try writer.move(node("a/one", writer), named: Array("one".utf8), in: node("b", writer))
            writer.remove(try node("gone", writer))
        }
        var expected = Model()
        expected.add("a", .directory)
        expected.add("b", .directory)
        expected.add("b/one", text: "one")
        expected.add("a/two", .link([Array("b".utf8), Array("one".utf8)]))
        expected.add("b/moved", .directory)
        expected.add("b/moved/x", text: "x")
        expected.add("kept", text: "gone")
        try expectReader(image, holds: expected)
        try await expectFsck(image)
        _ = try ImageCheck().check(File.regular(image.path))
        try await expectKernel(image, holds: expected, loop: false)
    }

    @Test("writes no folder again in which nothing changes")
    func small() throws {
        var model = Model()
        model.add("folder", .directory)
        for number in 0..<2000 { model.add("folder/\(number)", .directory) }
        model.add("other", .directory)
        let old = try Image(model)
        let image = try extend(old.path) { writer in
            try writer.setAttributes(Attributes(permissions: 0o700), of: writer.root)
        }
        // The root's listing is beside it in the first block, and a copy of that block is all that is added.
        #expect(image.summary.size == old.summary.size + 4096)
        let changed = try extend(old.path) { writer in
            try writer.setAttributes(Attributes(permissions: 0o700), of: node("other", writer))
        }
        #expect(changed.summary.size == old.summary.size + 2 * 4096)
    }

    @Test("carries a note that no extension loses")
    func note() throws {
        let note = Array("what is open".utf8)
        let old = try Image { writer in
            writer.note = note
            try writer.addDirectory(
                named: Array("d".utf8),
                in: writer.root,
                attributes: Attributes(permissions: 0o755)
            )
        }
        #expect(try old.reader().note() == note)
        let image = try extend(old.path) { writer in
            try writer.addFIFO(
                named: Array("f".utf8),
                in: writer.root,
                attributes: Attributes(permissions: 0o600)
            )
        }
        #expect(try image.reader().note(endingAt: old.summary.size) == note)
        #expect(throws: EROFSError.self) { try image.reader().note() }
    }

    @Test("works on what mkfs.erofs wrote, where the first block holds more than the root")
    func foreign() async throws {
        let folder = try TemporaryDirectory("mkfs")
        for number in 0..<40 {
            try folder.write("content \(number)", to: "tree/d\(number % 7)/file\(number)")
        }
        let path = folder.appending("image.erofs")
        try await check("mkfs.erofs", [path.string, folder.appending("tree").string])
        let image = try extend(path) { writer in
            try writer.addFIFO(
                named: Array("pipe".utf8),
                in: writer.root,
                attributes: Attributes(permissions: 0o600)
            )
            try writer.setAttributes(Attributes(permissions: 0o700), of: node("d3", writer))
        }
        try await expectFsck(image)
        _ = try ImageCheck().check(File.regular(image.path))
        let mount = try await KernelMount.erofs(image.path)
        let listing = try TreeListing(mount.path)
        var expected = try TreeListing(folder.appending("tree")).entries
        #expect(listing.entries["./d3"]?.hasPrefix("directory 700 0:0 0") == true)
        #expect(listing.entries["./pipe"]?.hasPrefix("fifo 600") == true)
        for name in ["./d3", "."] { expected[name] = listing.entries[name] }
        expected["./pipe"] = listing.entries["./pipe"]
        #expect(listing.entries == expected)
        let size = try #require(try FileStatus.of(path)?.size)
        try ImageWriter.restoreExtended(File(image.path, .readWrite), toSize: size)
        #expect(try image.bytes() == AtomicFile.read(path))
    }
}
