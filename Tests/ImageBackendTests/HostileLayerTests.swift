import Host
import OCI
import Registry
import Store
import SystemPackage
import TestSupport
import Testing

@testable import ImageBackend

/// Layers made to fill a disk or a memory, or to reach out of the image. Each is stopped at a limit that no honest image
/// meets, with one error that names the file and the place, and nothing of it stays.
@Suite("A hostile layer")
struct HostileLayerTests {
    /// The error that importing a layer fails with.
    private func failure(_ layer: [UInt8], limits: LayerLimits, as name: String = "hostile.tar") async throws
        -> ImageError
    {
        let test = try TestBackend(limits: limits)
        let file = try test.folder.write(layer, to: name)
        let error = try #require(
            await #expect(throws: ImageError.self) {
                try await test.backend.import(
                    ImportRequest(name: "a", files: [file], source: .hand),
                    tracker: SilentTracker()
                )
            }
        )
        #expect(error.message.contains(file.string), "\(error)")
        #expect(!error.isTransient)
        #expect(try await test.files().isEmpty)
        #expect(try Directory.names(in: test.store.layout.temp).isEmpty)
        return error
    }

    @Test("of more entries than allowed is refused at the first one too many")
    func entries() async throws {
        var tar = TarBuilder()
        for number in 0..<20 { tar.addFile("file\(number)", "") }
        let error = try await failure(tar.finish(), limits: LayerLimits(entries: 19))
        #expect(error.code == .limitExceeded && error.message.contains("'file19' at byte"), "\(error)")
    }

    @Test(
        "that unpacks to more than allowed is refused, compressed or not",
        arguments: [nil, "gzip", "zstd"]
    )
    func unpackedBytes(program: String?) async throws {
        var tar = archive { $0.add("zeros", content: [UInt8](repeating: 0, count: 3 << 20)) }
        if let program {
            let folder = try TemporaryDirectory("bomb")
            let file = try folder.write(tar, to: "bomb")
            try await check("sh", ["-c", "\(program) -c '\(file)' >'\(file).z'"])
            tar = try folder.bytes(of: "bomb.z")
        }
        let error = try await failure(tar, limits: LayerLimits(unpackedBytes: 2 << 20))
        #expect(error.code == .limitExceeded && error.message.contains("2097152 bytes"), "\(error)")
    }

    @Test("whose holes come to more than allowed is refused at the file that has them")
    func holes() async throws {
        let tar = archive {
            $0.add(
                "hole",
                content: [1],
                pax: [
                    ("GNU.sparse.size", Array("6000000000".utf8)), ("GNU.sparse.map", Array("0,1".utf8)),
                    ("GNU.sparse.name", Array("hole".utf8)),
                ]
            )
        }
        let error = try await failure(tar, limits: LayerLimits(unpackedBytes: 5 << 30))
        #expect(error.code == .limitExceeded && error.message.contains("'hole'"), "\(error)")
    }

    @Test("that unpacks to too many times its size is refused")
    func expansion() async throws {
        let folder = try TemporaryDirectory("bomb")
        let file = folder.appending("bomb.gz")
        try await check("sh", ["-c", "head -c 100M /dev/zero | gzip -1 >'\(file)'"])
        let error = try await failure(
            try folder.bytes(of: "bomb.gz"),
            limits: LayerLimits(expansion: 100)
        )
        // Zeros alone are an empty archive: it is the stream that gives it away.
        #expect(error.code == .limitExceeded && error.message.contains("100 times its size"), "\(error)")
    }

    @Test("of folders too deep is refused by the entry, in its path or its target")
    func depth() async throws {
        let deep = String(repeating: "d/", count: 20)
        for build: (inout TarBuilder) -> Void in [
            { $0.addFile(deep + "x", "") },
            {
                $0.addFile("x", "")
                $0.addHardLink("deep", to: deep + "x")
            },
        ] {
            let error = try await failure(archive(build), limits: LayerLimits(pathDepth: 20))
            #expect(error.code == .limitExceeded && error.message.contains("20 folders"), "\(error)")
        }
    }

    @Test("of a path or target longer than allowed is refused where its header lies")
    func length() async throws {
        let long = String(repeating: "long/", count: 100) + "x"
        for build: (inout TarBuilder) -> Void in [
            { $0.addFile(long, "") }, { $0.addSymbolicLink("link", to: long) },
        ] {
            let error = try await failure(archive(build), limits: LayerLimits(pathBytes: 300))
            #expect(error.code == .limitExceeded && error.message.contains("300 are allowed"), "\(error)")
            #expect(error.message.contains("byte"), "\(error)")
        }
    }

    @Test("that names or links what lies outside neither reads nor writes it")
    func outside() async throws {
        let outside = try TemporaryDirectory("outside")
        let secret = try outside.write("secret", to: "secret")
        let escapes: [(String, (inout TarBuilder) -> Void)] = [
            ("..", { $0.addFile("../../../../../..\(outside.path)/written", "x") }),
            ("in the middle", { $0.addFile("a/../../..\(outside.path)/written", "x") }),
            (
                "a link's target",
                {
                    $0.addHardLink("hard", to: "../../../../../..\(secret)")
                }
            ), ("what no layer has", { $0.addHardLink("hard", to: secret.string) }),
        ]
        for (name, build) in escapes {
            let error = try await failure(archive(build), limits: LayerLimits())
            #expect(error.code == .invalidArchive, "\(name): \(error)")
        }
        // What stays inside is no harm: the same path below the image's own root, through the image's own links.
        let test = try TestBackend()
        let image = try await test.importing(
            "a",
            archive {
                $0.addSymbolicLink("out", to: outside.path.string)
                $0.addFile("out/written", "x")
                $0.addFile("\(outside.path)/absolute", "y")
                $0.addSymbolicLink("secret", to: secret.string)
            }
        )
        let listing = try await test.guestListing(image)
        #expect(listing.entries[".\(outside.path)/written"] != nil)
        #expect(listing.entries["./secret"]?.hasPrefix("symbolicLink") == true)
        #expect(try Directory.names(in: outside.path).map(\.string) == ["secret"])
        #expect(try outside.bytes(of: "secret") == Array("secret".utf8))
    }

    @Test("too many, as files or in an archive, are refused before one is read")
    func layers() async throws {
        var registry = ClientConfiguration(environment: [:])
        registry.imageLayers = 3
        let test = try TestBackend(registry: registry)
        let layers = (0..<4).map { tar(["file\($0)": "x"]) }
        let files = try layers.enumerated().map { try test.folder.write($0.element, to: "\($0.offset).tar") }
        let layout = try TestLayout()
        _ = try layout.image(layers.map { .plain($0) }, tag: "latest")
        let archive = test.folder.appending("archive.oci")
        try await check("tar", ["-C", layout.path.string, "-cf", archive.string, "."])
        for inputs in [files, [archive]] {
            let error = await #expect(throws: ImageError.self) {
                try await test.backend.import(
                    ImportRequest(name: "a", files: inputs, source: .hand),
                    tracker: SilentTracker()
                )
            }
            #expect(error?.code == .limitExceeded && error?.message.contains("4 layers; 3 are") == true)
            #expect(error?.message.contains(inputs[0].string) == true)
        }
        #expect(try await test.files().isEmpty)
    }
}
