import Host
import OCI
import Registry
import Store
import SystemPackage
import TestSupport
import Testing

@testable import ImageBackend

/// What comes through a pipe is read once, and gives what the same bytes give as a file.
@Suite("Importing through a pipe", .timeLimit(.minutes(3)))
struct PipeImportTests {
    /// Content that no compression makes smaller.
    private let layers = (0..<3).map { noisyTar(3 << 20, seed: UInt64($0 + 1), path: "data/\($0)") }

    /// Imports the same bytes from a file, into a store of its own, and through a pipe.
    ///
    /// - Returns: the image, and the most bytes in the store's temporary folder beyond those of the blobs.
    private func both(
        _ bytes: [UInt8],
        select: String? = nil,
        into store: TestBackend? = nil
    ) async throws -> (image: Image, beyondBlobs: Int64) {
        let (here, there) = (try TestBackend(), try store ?? TestBackend())
        let file = try here.folder.write(bytes, to: "whole.tar")
        let fromFile = try await here.importing(archive: file, as: "a", select: select)
        let piped = try await there.piping(bytes, as: "a", select: select)
        #expect(piped.image.digest == fromFile.digest)
        #expect(piped.image.layers.map(\.key) == fromFile.layers.map(\.key))
        if store == nil {
            #expect(piped.image.references == fromFile.references)
            #expect(piped.image.imported == fromFile.imported)
        }
        #expect(try Directory.names(in: there.store.layout.temp).isEmpty)
        #expect(try await there.store.verifyBlobs().isEmpty)
        let blobs = fromFile.layers.reduce(0) { $0 + Int64($1.bytes) }
        return (piped.image, Int64(piped.mostInTemp) - blobs)
    }

    /// A file's bytes after a program has passed them on.
    private func filtered(_ bytes: [UInt8], _ program: String) async throws -> [UInt8] {
        let folder = try TemporaryDirectory("filter")
        let input = try folder.write(bytes, to: "in")
        try await check("sh", ["-c", "\(program) <'\(input)' >'\(folder.path)/out'"])
        return try folder.bytes(of: "out")
    }

    @Test(
        "a root file system's tar is converted as it comes",
        arguments: ["cat", "gzip -1", "zstd -q", "xz -0"]
    )
    func rootFileSystem(program: String) async throws {
        let (_, beyond) = try await both(try await filtered(layers[0], program))
        #expect(beyond <= 0, "\(beyond) bytes more than the blob")
    }

    @Test(
        "what save wrote is converted as it comes",
        arguments: [nil, MediaType.Compression.none, .gzip, .zstd]
    )
    func saved(compression: MediaType.Compression?) async throws {
        let test = try TestBackend()
        try await test.importing("a", layers[0], layers[1], layers[2])
        let form = compression.map { SaveRequest.Form.tar($0) } ?? .native
        let (file, report) = try await test.saving("a", as: form)
        let bytes = try #require(try AtomicFile.read(file))
        let (image, beyond) = try await both(bytes)
        #expect(image.digest == report.images[0].savedDigest)
        #expect(beyond <= 0, "\(beyond) bytes more than the blobs")
    }

    @Test(
        "an archive whose documents come last is converted as it comes",
        arguments: ["oci-archive", "docker-archive"],
        ["cat", "gzip -1"]
    )
    func documentsLast(kind: String, program: String) async throws {
        let layout = try TestLayout()
        _ = try layout.image(layers.map { .plain($0) }, tag: "latest")
        let folder = try TemporaryDirectory("archive")
        let target = "\(folder.path)/out.tar"
        try await check(
            "skopeo",
            ["--insecure-policy", "copy", "oci:\(layout.path):latest", "\(kind):\(target):example.org/a:1"]
        )
        let names = try memberNames(FilePath(target))
        let manifest = try #require(names.lastIndex { $0.hasSuffix(".json") })
        let first = try #require(names.firstIndex { $0.hasSuffix(".tar") || $0.hasPrefix("blobs/sha256/") })
        #expect(manifest > first, "\(names)")
        let (_, beyond) = try await both(
            try await filtered(try folder.bytes(of: "out.tar"), program)
        )
        #expect(beyond <= 0, "\(beyond) bytes more than the blobs")
    }

    @Test(
        "of several images only the layers of the one that is wanted are converted, where the documents come first"
    )
    func selected() async throws {
        let test = try TestBackend()
        try await test.importing("one:1", layers[0], layers[1])
        try await test.importing("two:1", layers[0], layers[2])
        let (file, _) = try await test.saving("one:1", "two:1")
        let bytes = try #require(try AtomicFile.read(file))
        let (image, beyond) = try await both(bytes, select: "localhost/two:1")
        #expect(image.layers.count == 2)
        #expect(beyond <= 0, "\(beyond) bytes more than the blobs")
    }

    @Test(
        "a layer that the store has passes by",
        arguments: [SaveRequest.Form.native, .tar(.none), .tar(.zstd)]
    )
    func knownLayers(form: SaveRequest.Form) async throws {
        let test = try TestBackend()
        try await test.importing("a", layers[0], layers[1])
        let (file, _) = try await test.saving("a", as: form)
        let bytes = try #require(try AtomicFile.read(file))
        let there = try TestBackend()
        let first = try await there.importing(archive: file, as: "b")
        let (image, _) = try await both(bytes, into: there)
        #expect(image.imported?.bytesAdded == 0)
        #expect(image.layers.map(\.key) == first.layers.map(\.key))
        #expect(try await there.piping(bytes, as: "c").mostInTemp == 0)
    }

    @Test("native layers that come before the manifest that lists them are kept until then")
    func nativeBeforeManifest() async throws {
        let test = try TestBackend()
        try await test.importing("a", tar([".wh..wh..opq": "", "a": "a"]), layers[0])
        let (file, _) = try await test.saving("a", as: .native)
        let folder = try TemporaryDirectory("reordered")
        try await check("tar", ["-C", folder.path.string, "-xf", file.string])
        try await check(
            "sh",
            [
                "-c",
                "cd '\(folder.path)' && tar -cf ../$$.tar $(ls -S blobs/sha256/* ) oci-layout index.json && mv ../$$.tar out",
            ]
        )
        let (image, _) = try await both(try folder.bytes(of: "out"))
        #expect(image.layers.count == 2)
        let compressed = try await both(try await filtered(try folder.bytes(of: "out"), "zstd -q"))
        #expect(compressed.image.digest == image.digest)
    }

    @Test(
        "a layer that begins as JSON does, one that is there twice, and one that is linked are layers like others"
    )
    func oddLayers() async throws {
        let odd = tar(["[": "test", "x": "x"])
        let layout = try TestLayout()
        _ = try layout.image([odd, layers[0], odd, layers[0]].map { .plain($0) }, tag: "latest")
        let folder = try TemporaryDirectory("odd")
        try await check(
            "sh",
            ["-c", "cd '\(layout.path)' && tar --sort=name -cf '\(folder.path)/out.tar' ."]
        )
        let (image, _) = try await both(try folder.bytes(of: "out.tar"))
        #expect(image.layers.map(\.diffID) == [odd, layers[0], odd, layers[0]].map { .sha256(of: $0) })
        let id = Digest.sha256(
            of: Array(
                "{\"os\":\"linux\",\"architecture\":\"\(Platform.host.architecture)\",\"rootfs\":{\"diff_ids\":[\"\(Digest.sha256(of: odd))\"]}}"
                    .utf8
            )
        ).hex
        var linked = TarBuilder()
        linked.add("first/layer.tar", content: odd)
        linked.addSymbolicLink("second/layer.tar", to: "../first/layer.tar")
        linked.addFile(
            "\(id).json",
            "{\"os\":\"linux\",\"architecture\":\"\(Platform.host.architecture)\",\"rootfs\":{\"diff_ids\":[\"\(Digest.sha256(of: odd))\"]}}"
        )
        linked.addFile(
            "manifest.json",
            "[{\"Config\":\"\(id).json\",\"RepoTags\":null,\"Layers\":[\"second/layer.tar\"]}]"
        )
        // Its first member could be any tar's, but the one after next is named after an ID.
        let bytes = linked.finish()
        let file = try folder.write(bytes, to: "linked.tar")
        let test = try TestBackend()
        let fromFile = try await test.importing(archive: file, as: "linked")
        #expect(fromFile.layers.map(\.diffID) == [.sha256(of: odd)])
        let error = await #expect(throws: ImageError.self) { try await test.piping(bytes, as: "piped") }
        #expect(
            error?.code == .invalidArchive && error?.message.contains("keep it in a file") == true,
            "\(error!)"
        )
    }

    @Test("members that no image wants may be anything")
    func junk() async throws {
        let layout = try TestLayout()
        _ = try layout.image([.plain(layers[0])], tag: "latest")
        for junk in [TarCorpus.noise(5000), Array(layers[1].prefix(1 << 20)), [0]] {
            try layout.blob(junk, .ociLayer)
        }
        let folder = try TemporaryDirectory("junk")
        try await check("tar", ["-C", layout.path.string, "--sort=name", "-cf", "\(folder.path)/out", "."])
        let (image, _) = try await both(try folder.bytes(of: "out"))
        #expect(image.layers.count == 1)
    }

    @Test(
        "one that is cut off anywhere is one error that names the pipe, and leaves nothing",
        arguments: [false, true]
    )
    func cut(isNative: Bool) async throws {
        let test = try TestBackend()
        try await test.importing("a", layers[0], tar(["b": "b"]))
        let (file, _) = try await test.saving("a", as: isNative ? .native : .tar(.zstd))
        let bytes = try #require(try AtomicFile.read(file))
        for length in [0, 100, 512, 5000, bytes.count / 2, bytes.count - 3000] {
            let there = try TestBackend()
            let error = await #expect(throws: ImageError.self, "\(length)") {
                try await there.piping(Array(bytes.prefix(length)), as: "a")
            }
            #expect(
                error?.message.contains("standard input") == true,
                "\(length): \(String(describing: error))"
            )
            #expect(error?.isTransient == false)
            #expect(try await there.store.images().isEmpty)
            #expect(try Directory.names(in: there.store.layout.temp).isEmpty)
        }
    }

    @Test("a layer that is not what the config says is refused, whichever comes first")
    func lies() async throws {
        for tool in [
            "tar --sort=name -cf out.tar oci-layout index.json blobs",
            "tar -cf out.tar $(ls -S blobs/sha256/*) oci-layout index.json",
        ] {
            let layout = try TestLayout()
            _ = try layout.image([.plain(layers[0])], diffIDs: [.sha256(of: [1])], tag: "latest")
            let folder = try TemporaryDirectory("lies")
            try await check("cp", ["-r", "\(layout.path)/.", folder.path.string])
            try await check("sh", ["-c", "cd '\(folder.path)' && \(tool)"])
            let test = try TestBackend()
            let error = await #expect(throws: ImageError.self) {
                try await test.piping(try folder.bytes(of: "out.tar"), as: "a")
            }
            #expect(error?.code == .digestMismatch, "\(tool): \(String(describing: error))")
            // Nor where the store has the layer, and what it takes for it passes by.
            try await test.importing("b", layers[0])
            let known = await #expect(throws: ImageError.self) {
                try await test.piping(try folder.bytes(of: "out.tar"), as: "a")
            }
            #expect(known?.code == .digestMismatch, "\(tool): \(String(describing: known))")
        }
    }

    @Test("an archive is no layer among others, and a layer is one")
    func amongOthers() async throws {
        let test = try TestBackend()
        let base = try test.folder.write(layers[0], to: "base.tar")
        try await test.importing("a", layers[1])
        try await test.saving("a")
        let archive = try PipedImport()
        async let fed: Void = archive.feed(try test.folder.bytes(of: "saved.tar"))
        let error = await #expect(throws: ImageError.self) {
            try await test.backend.import(
                ImportRequest(name: "two", inputs: [.path(base), .pipe(archive.reading)], source: .hand),
                tracker: SilentTracker()
            )
        }
        #expect(error?.message.contains("cannot be a layer") == true)
        archive.abandon()
        try await fed
        let layer = try PipedImport()
        async let second: Void = layer.feed(layers[1])
        let image = try await test.backend.import(
            ImportRequest(name: "two", inputs: [.path(base), .pipe(layer.reading)], source: .hand),
            tracker: SilentTracker()
        )
        try await second
        #expect(image.layers.map(\.diffID) == [layers[0], layers[1]].map { .sha256(of: $0) })
    }

    @Test("progress is told, and it stops at once when it is cancelled, though nothing comes any more")
    func cancelled() async throws {
        let test = try TestBackend()
        let recorder = Recorder()
        let image = try await test.piping(layers[0], as: "a", tracker: recorder).image
        #expect(recorder.events.contains { $0.phase == .layer && $0.bytes > 0 && $0.total == nil })
        #expect(recorder.events.last?.phase == .done)
        let pipe = try PipedImport()
        let task = Task {
            try await test.backend.import(
                ImportRequest(name: "b", inputs: [.pipe(pipe.reading)], source: .hand),
                tracker: SilentTracker()
            )
        }
        try await pipe.feed(Array(layers[1].prefix(2 << 20)), closing: false)
        task.cancel()
        let error = await #expect(throws: ImageError.self) { try await task.value }
        #expect(error?.code == .cancelled)
        try await pipe.feed([])
        #expect(try await test.store.images().map(\.record.digest) == [image.digest])
        #expect(try Directory.names(in: test.store.layout.temp).isEmpty)
    }
}
