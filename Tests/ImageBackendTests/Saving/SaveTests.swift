import Archives
import EROFS
import Host
import OCI
import Store
import SystemPackage
import TestSupport
import Testing

@testable import ImageBackend

@Suite("Saving an image")
struct SaveTests {
    /// Everything that a layer can hide, on a base of every kind of file.
    static let top = archive { tar in
        tar.addDirectory("usr/", mode: 0o700, xattrs: [("user.folder", [1])])
        tar.addFile("usr/.wh..wh..opq", "")
        tar.addFile("usr/new", "new")
        tar.addFile("etc/.wh.passwd", "")
        tar.addFile(".wh.tmp", "")
        tar.addFile("lib/through-a-link", "x")
        tar.add(
            "ping",
            mode: 0o4755,
            uid: 3_000_000_000,
            mtime: -2,
            nanoseconds: 250_000_000,
            content: TarCorpus.noise(70_000),
            xattrs: [("security.capability", [1, 0, 0, 2, 0, 32] + [UInt8](repeating: 0, count: 14))]
        )
        tar.addHardLink("ping6", to: "ping")
        tar.addHardLink("copy-of-group", to: "etc/group")
        tar.add("null", type: "3", mode: 0o666, device: (1, 3))
        tar.add("disk", type: "4", mode: 0o660, gid: 6, device: (259, 70_000))
        tar.add("pipe", type: "6")
        tar.addSymbolicLink("link", to: String(repeating: "../target", count: 30))
        tar.addFile(String(repeating: "long/", count: 60) + "nöte", "deep")
    }

    @Test(
        "as tars gives one that umoci unpacks to the same tree",
        arguments: [MediaType.Compression.none, .gzip, .zstd]
    )
    func sameTree(compression: MediaType.Compression) async throws {
        let test = try TestBackend()
        let stack = try await LayerStackFixture([InheritanceTests.base, Self.top], in: test)
        let (file, report) = try await test.saving("stack", as: .tar(compression))
        #expect(report.images[0].layers.allSatisfy { $0.isRewritten })
        let unpacked = try await unpacked(file)
        var lines: [String] = []
        try await stack.guest { lines = try unpacked.differences(from: $0, ignoring: .none) }
        #expect(lines == [])
    }

    @Test("as tars gives one that another store shows to its guests as the same tree", arguments: 0..<12)
    func sameGuest(seed: Int) async throws {
        var generator = StackGenerator(seed: UInt64(seed) + 1000)
        var layers = generator.layers()
        while (try? await Unpacked(layers: layers)) == nil { layers = generator.layers() }
        let here = try await LayerStackFixture(layers)
        let there = try TestBackend()
        let (file, report) = try await here.test.saving("stack")
        let image = try await there.importing(archive: file, as: "stack")
        #expect(image.digest == report.images[0].savedDigest)
        let seen = try await there.guestListing(image)
        #expect(seen.differences(from: try await here.test.guestListing(here.image)) == [])
        // Nothing is left open any more: layers that come out of a save say all that they are.
        #expect(image.layers.allSatisfy { $0.key.inheritance == nil })
    }

    @Test("keeps a root that shows nothing from below", arguments: [SaveRequest.Form.tar(.gzip), .native])
    func opaqueRoot(form: SaveRequest.Form) async throws {
        let here = try TestBackend()
        let made = try await here.importing(
            "a",
            tar(["below": "x"]),
            tar([".wh..wh..opq": "", "above": "y"])
        )
        let there = try TestBackend()
        let (file, _) = try await here.saving("a", as: form)
        let image = try await there.importing(archive: file, as: "a")
        #expect(try await here.guestListing(made).entries.keys.sorted() == [".", "./above"])
        #expect(try await there.guestListing(image).entries.keys.sorted() == [".", "./above"])
    }

    @Test("writes the same bytes every time, and again where they were imported", arguments: [false, true])
    func deterministic(isNative: Bool) async throws {
        let form: SaveRequest.Form = isNative ? .native : .tar(.zstd)
        let here = try TestBackend()
        try await here.importing("stack", InheritanceTests.base, Self.top)
        let (first, report) = try await here.saving("stack", as: form, to: "first.tar")
        let (second, _) = try await here.saving("stack", as: form, to: "second.tar")
        let bytes = try #require(try AtomicFile.read(first))
        #expect(try AtomicFile.read(second) == bytes)
        #expect(report.bytes == UInt64(bytes.count))
        let there = try TestBackend()
        _ = try await there.importing(archive: first, as: "stack")
        #expect(try await AtomicFile.read(there.saving("stack", as: form).file) == bytes)
    }

    @Test(
        "puts the documents first and what images share once, with every reference",
        arguments: [false, true]
    )
    func severalImages(isNative: Bool) async throws {
        let here = try TestBackend()
        let base = tar(["shared": "x"])
        try await here.importing("one:1", base, tar(["one": "1"]))
        try await here.importing("two:2", base, tar(["two": "2"]))
        try await here.importing("registry.example/team/alias:3", base, tar(["two": "2"]))
        let (file, report) = try await here.saving(
            "one:1",
            "two:2",
            "registry.example/team/alias:3",
            as: isNative ? .native : .tar(.none)
        )
        #expect(
            report.images.map(\.references) == [
                ["localhost/one:1"], ["localhost/two:2", "registry.example/team/alias:3"],
            ]
        )
        let names = try memberNames(file)
        #expect(Set(names).count == names.count)
        let layers = Set(report.images.flatMap(\.layers).map { LayoutDocuments.blobPath($0.digest) })
        #expect(layers.count == 3)
        #expect(Set(names.suffix(3)) == layers)
        #expect(names.prefix(2) == ["oci-layout", "index.json"])

        let archive = try #require(try ImageArchive.open(File.regular(file), name: "saved"))
        #expect(archive.images.count == 2)
        let there = try TestBackend()
        let two = try await there.importing(archive: file, as: "b", select: "registry.example/team/alias:3")
        #expect(two.digest == report.images[1].savedDigest)
    }

    @Test("through a pipe gives the bytes that a file gets", arguments: [false, true])
    func stream(isNative: Bool) async throws {
        let form: SaveRequest.Form = isNative ? .native : .tar(.gzip)
        let here = try TestBackend()
        try await here.importing("stack", InheritanceTests.base, Self.top)
        let (file, _) = try await here.saving("stack", as: form)
        let (reading, writing) = try Pipe.make()
        let received = Task.detached {
            try await onThread(named: "receive") { _ in
                let source = FileSource(file: File(owning: reading, path: "pipe"))
                let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 4096, alignment: 16)
                defer { buffer.deallocate() }
                var bytes: [UInt8] = []
                while case let count = try source.read(into: buffer), count > 0 {
                    bytes += buffer[..<count]
                }
                return bytes
            }
        }
        _ = try await here.backend.save(
            SaveRequest(["stack"], as: form),
            to: .stream(File(owning: writing, path: "pipe")),
            tracker: SilentTracker()
        )
        #expect(try await received.value == AtomicFile.read(file) ?? [])
        #expect(try Directory.names(in: here.store.layout.temp).isEmpty)
    }

    @Test("says which image is not there, and which blob is damaged", arguments: [false, true])
    func refusals(isNative: Bool) async throws {
        let form: SaveRequest.Form = isNative ? .native : .tar(.zstd)
        let here = try TestBackend()
        let image = try await here.importing("a", tar(["a": String(repeating: "text ", count: 100_000)]))
        let missing = await #expect(throws: ImageError.self) { try await here.saving("b", as: form) }
        #expect(missing?.code == .notFound && missing?.message.contains("'b'") == true)
        let path = FilePath(image.layers[0].path)
        var bytes = try #require(try AtomicFile.read(path))
        // The superblock's checksum covers its own block; the data lies behind.
        for index in 4096..<min(bytes.count, 8192) { bytes[index] ^= 0x5A }
        try AtomicFile.write(bytes, to: path)
        let damaged = await #expect(throws: ImageError.self) { try await here.saving("a", as: form) }
        #expect(damaged?.code == .checkFailed, "\(String(describing: damaged))")
        #expect(damaged?.message.contains("store verify --repair") == true)
        // Neither a part of an archive nor work in flight is left.
        #expect(try Directory.names(in: here.folder.path).allSatisfy { !$0.string.contains("saved.tar") })
        #expect(try Directory.names(in: here.store.layout.temp).isEmpty)
    }

    @Test("keeps what a config says, down to its spelling")
    func config() async throws {
        let layer = tar(["a": "a"])
        let digest = Digest.sha256(of: layer)
        let config = Array(
            """
            { "architecture": "\(Platform.host.architecture)", "os":"linux", "x-unknown":[1.50, {"diff_ids":["\(digest)"]}],
              "config": {"Labels": {"diff": "\(digest)"}},
              "rootfs": {"diff_ids" : [ "\(digest)" ], "type":"layers"}, "history": []}
            """.utf8
        )
        let here = try TestBackend()
        let layout = try TestLayout()
        try layout.addImage(config: config, layers: [.plain(layer)], tag: "latest")
        let file = here.folder.appending("in.tar")
        try await check("tar", ["-C", layout.path.string, "-cf", file.string, "."])
        _ = try await here.importing(archive: file, as: "a")
        let (saved, report) = try await here.saving("a")
        let archive = try #require(try ImageArchive.open(File.regular(saved), name: "saved"))
        let text = String(decoding: archive.images[0].configBytes, as: UTF8.self)
        let changed = report.images[0].layers[0].savedDiffID
        #expect(
            text
                == String(decoding: config, as: UTF8.self).replacing(
                    "[ \"\(digest)\" ]",
                    with: "[ \"\(changed)\" ]"
                )
        )
    }
}

extension TestLayout {
    /// Writes an image around a config as it is.
    fileprivate func addImage(config: [UInt8], layers: [Layer], tag: String) throws {
        let manifest = Manifest(
            config: try blob(config, .ociConfig),
            layers: try layers.map { try blob($0.bytes, $0.mediaType) }
        )
        try self.tag(try blob(manifest.canonicalBytes(isAligned: false), .ociManifest), tag)
    }
}
