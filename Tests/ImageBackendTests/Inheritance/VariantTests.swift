import Host
import OCI
import Store
import SystemPackage
import TestSupport
import Testing

@testable import ImageBackend

@Suite("A layer over another base")
struct VariantTests {
    private let first = archive {
        $0.addDirectory("tmp", mode: 0o1777)
        $0.addDirectory("usr/lib")
        $0.addSymbolicLink("lib", to: "usr/lib")
    }
    private let second = archive {
        $0.addDirectory("tmp", mode: 0o711, uid: 5)
        $0.addDirectory("lib", mode: 0o700)
        $0.addFile("lib/own", "a real folder")
    }
    private let layer = archive {
        $0.addFile("tmp/x", "x")
        $0.add("lib/data", content: LayerConverterTests.noise(300_000))
        $0.addFile("boot/vmlinuz-6.1", "kernel")
        $0.addFile("boot/initrd.img-6.1", "initramfs")
    }

    private func bytes(_ layer: Image.Layer) throws -> [UInt8] {
        try #require(try AtomicFile.read(FilePath(layer.path)))
    }

    /// An archive of an image whose topmost layer is not in it: as many other bytes are.
    private func archiveWithoutLast(_ layers: [[UInt8]], in test: TestBackend, name: String) throws
        -> FilePath
    {
        let made = Manifest.synthesized(
            layers: layers.map { bytes in
                let digest = Digest.sha256(of: bytes)
                return (digest: digest, size: UInt64(bytes.count), diffID: digest, mediaType: .ociLayer)
            },
            platform: .host
        )
        var tar = TarBuilder()
        let names = layers.indices.map { "\"layer\($0).tar\"" }.joined(separator: ",")
        let list = #"[{"Config":"config.json","RepoTags":["\#(name):latest"],"Layers":[\#(names)]}]"#
        tar.addFile("manifest.json", list)
        tar.add("config.json", content: made.configBytes)
        for (number, layer) in layers.enumerated() {
            let isLast = number == layers.count - 1
            tar.add(
                "layer\(number).tar",
                content: isLast ? [UInt8](repeating: 0x5A, count: layer.count) : layer
            )
        }
        return try test.folder.write(tar.finish(), to: "\(name).tar-archive")
    }

    @Test("is made from the stored one when its tar is gone, the same bytes as from the tar")
    func tarIsGone() async throws {
        let (here, there) = (try TestBackend(), try TestBackend())
        let fromTar = try await LayerStackFixture([second, layer], in: there, name: "other")
        let original = try await LayerStackFixture([first, layer], in: here, name: "one")
        let archive = try archiveWithoutLast([second, layer], in: here, name: "other")
        let recorder = Recorder()
        let image = try await here.backend.import(
            ImportRequest(name: "other", files: [archive], source: .hand),
            tracker: recorder
        )
        #expect(
            recorder.events.filter { $0.phase == .layer }.allSatisfy { $0.layer == 0 },
            "one is converted"
        )
        #expect(image.layers.map(\.key) == fromTar.image.layers.map(\.key))
        #expect(image.layers[1].key != original.image.layers[1].key)
        #expect(try bytes(image.layers[1]) == bytes(fromTar.image.layers[1]))
        #expect(
            image.kernel.map { FilePath($0) }.flatMap { try? AtomicFile.read($0) } == Array("kernel".utf8)
        )
        #expect(try await fromTar.differences() == [])
        #expect(try await original.differences() == [])
        #expect(try await here.store.verifyBlobs() == [])
    }

    @Test("is not converted again, compressed or not, because its base is another")
    func notConvertedAgain() async throws {
        let test = try TestBackend()
        _ = try await LayerStackFixture([first, layer], in: test, name: "one")
        let files = [
            try test.folder.write(second, to: "second.tar"), try test.folder.write(layer, to: "layer.tar"),
        ]
        for name in ["other", "compressed", "again"] {
            if name == "compressed" {
                try await check("gzip", ["-kn", files[1].string])
            }
            let top = name == "other" ? files[1] : test.folder.appending("layer.tar.gz")
            let recorder = Recorder()
            let image = try await test.backend.import(
                ImportRequest(name: name, files: [files[0], top], source: .hand),
                tracker: recorder
            )
            let converted = Set(recorder.events.filter { $0.phase == .layer }.compactMap(\.layer))
            // The tar of another size has to be read to be known; the store has it all the same.
            let expected: [String: Set<Int>] = ["other": [0], "compressed": [1], "again": []]
            #expect(converted == expected[name])
            #expect(image.layers[1].key.inheritance != nil)
        }
        #expect(try await test.files().filter { $0.hasSuffix(".erofs") }.count == 4)
        #expect(try Directory.names(in: test.backend.configuration.store.temp).isEmpty)
    }

    @Test("comes back as the plain one from a variant, bit for bit")
    func plainFromVariant() async throws {
        let (here, there) = (try TestBackend(), try TestBackend())
        let plain = try await LayerStackFixture([layer], in: there, name: "alone")
        try await LayerStackFixture([first, layer], in: here, name: "one").expectSound()
        let image = try await here.backend.import(
            ImportRequest(
                name: "alone",
                files: [try archiveWithoutLast([layer], in: here, name: "alone")],
                source: .hand
            ),
            tracker: SilentTracker()
        )
        #expect(image.layers.map(\.key) == plain.image.layers.map(\.key))
        #expect(try bytes(image.layers[0]) == bytes(plain.image.layers[0]))
        let record = try #require(try await here.store.blob(image.layers[0].key, leasedBy: nil))
        let original = try #require(try await there.store.blob(image.layers[0].key, leasedBy: nil))
        #expect(record == original)
    }

    @Test("is one blob for two imports at once, and on every host")
    func concurrent() async throws {
        let test = try TestBackend()
        let files = try [first, layer].enumerated().map {
            try test.folder.write($0.element, to: "\($0.offset).tar")
        }
        let images = try await withThrowingTaskGroup(of: Image.self) { group in
            for number in 0..<4 {
                group.addTask {
                    try await test.backend.import(
                        ImportRequest(name: "image\(number)", files: files, source: .hand),
                        tracker: SilentTracker()
                    )
                }
            }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        #expect(Set(images.map(\.digest)).count == 1)
        #expect(try await test.files().filter { $0.hasSuffix(".erofs") }.count == 2)
        let elsewhere = try await LayerStackFixture([first, layer])
        #expect(try bytes(elsewhere.image.layers[1]) == bytes(images[0].layers[1]))
    }

    @Test("survives a rebuilt index, and a damaged one is repaired from another of the same layer")
    func repair() async throws {
        let test = try TestBackend()
        let one = try await LayerStackFixture([first, layer], in: test, name: "one")
        let other = try await LayerStackFixture([second, layer], in: test, name: "other")
        let path = FilePath(other.image.layers[1].path)
        let good = try bytes(other.image.layers[1])
        try File(path, .readWrite).truncate(to: 4096)
        #expect(try await test.store.verifyBlobs().map(\.key) == [other.image.layers[1].key])
        #expect(try await test.store.discardDamagedBlob(other.image.layers[1].key))
        let archive = try archiveWithoutLast([second, layer], in: test, name: "again")
        _ = try await test.backend.import(
            ImportRequest(name: "again", files: [archive], source: .hand),
            tracker: SilentTracker()
        )
        #expect(try bytes(other.image.layers[1]) == good)

        let layout = StoreLayout(root: test.folder.appending("copy"))
        try await check("cp", ["-a", test.store.layout.root.string, layout.root.string])
        let report = try await Store.rebuildIndex(layout: layout)
        #expect(report.problems == [] && report.blobs == 4)
        let record = try await Store(layout: layout).blob(one.image.layers[1].key, leasedBy: nil)
        #expect(record?.open?.places == 4)
    }

    @Test("is not collected while an image has it, and goes with its last one")
    func collected() async throws {
        let test = try TestBackend()
        let one = try await LayerStackFixture([first, layer], in: test, name: "one")
        _ = try await LayerStackFixture([second, layer], in: test, name: "other")
        _ = try await test.backend.delete(["other"])
        _ = try await test.collect()
        #expect(try await test.files().filter { $0.hasSuffix(".erofs") }.count == 2)
        try await one.expectSound()
    }
}

extension LayerStackFixture {
    /// Compares with umoci.
    func expectSound() async throws {
        let lines = try await differences()
        #expect(lines == [])
    }
}
