import Archives
import Host
import OCI
import Store
import SystemPackage
import TestSupport
import Testing

@testable import ImageBackend

@Suite("What the images of an archive are called")
struct ImportNamingTests {
    private let layers = [tar(["a": "one"]), tar(["b": "two"])]

    /// An OCI layout in a tar file: one image a layer, under these annotations of `ref.name`.
    private func archive(_ names: [String?], in folder: TemporaryDirectory) async throws -> FilePath {
        let layout = try TestLayout()
        for position in names.indices {
            _ = try layout.image([.plain(layers[position % layers.count])], tag: "t\(position)")
        }
        let index = layout.path.appending("index.json")
        var text = String(decoding: try AtomicFile.read(index) ?? [], as: UTF8.self)
        for (position, name) in names.enumerated() {
            text = text.replacing("\"t\(position)\"", with: "\"\(name ?? "")\"")
        }
        try AtomicFile.write(Array(text.utf8), to: index)
        let target = folder.appending("archive.tar")
        try await check("tar", ["-C", layout.path.string, "-cf", target.string, "."])
        return target
    }

    private func naming(_ own: String?, allowing: String = "") -> ImportNaming {
        let reference = own.flatMap { try? Reference(parsing: $0) }
        return ImportNaming(
            own: reference.map { .success($0) } ?? .failure(ImageError(.invalidReference, "no name"))
        ) { allowing.isEmpty || $0.description.hasPrefix(allowing) }
    }

    private func names(
        _ annotations: [String?],
        _ naming: ImportNaming,
        on test: TestBackend
    ) async throws -> [[String]] {
        let file = try await archive(annotations, in: test.folder)
        var request = ImportRequest(name: "x", files: [file], source: .inbox("archive.tar"))
        request.naming = naming
        let images = try await test.backend.importAll(request, tracker: SilentTracker())
        return images.map { $0.imported?.claimed ?? [] }
    }

    @Test(
        "references in it are the images' own; a bare tag is one of the file's name; none is the file's name"
    )
    func rules() async throws {
        let test = try TestBackend()
        let own = naming("localhost/web")
        #expect(
            try await names(["docker.io/library/nginx:1.27"], own, on: test) == [
                ["docker.io/library/nginx:1.27"]
            ]
        )
        #expect(
            try await names(["localhost/b:2", "r.example/c:3"], own, on: test) == [
                ["localhost/b:2"], ["r.example/c:3"],
            ]
        )
        #expect(try await names(["1.2"], own, on: test) == [["localhost/web:1.2"]])
        #expect(try await names([nil], own, on: test) == [["localhost/web:latest"]])
        #expect(try await names(["latest"], naming("localhost/web:3"), on: test) == [["localhost/web:3"]])
        #expect(
            try await names([nil, "r.example/c:3"], own, on: test) == [
                ["localhost/web:latest"], ["r.example/c:3"],
            ]
        )
        let untagged = try await names([nil, nil], own, on: test)
        #expect(Set(untagged.joined()).count == 2)
        #expect(untagged.joined().allSatisfy { $0.hasPrefix("localhost/web:") && $0.utf8.count == 14 + 12 })
    }

    @Test("all images of a file are one commit: what it claimed before and does not any more is released")
    func commit() async throws {
        let test = try TestBackend()
        _ = try await names(["r.example/a:1", "r.example/b:1"], naming(nil), on: test)
        #expect(
            try await test.store.images().map(\.pins) == [[.inbox("archive.tar")], [.inbox("archive.tar")]]
        )
        _ = try await names(["r.example/c:1"], naming(nil), on: test)
        #expect(try await test.store.claims().map(\.reference) == ["r.example/c:1"])
        #expect(try await test.store.images().count { !$0.pins.isEmpty } == 1)
    }

    @Test(
        "what may not be claimed is left out with a warning; an image that is left without a name is refused"
    )
    func limits() async throws {
        let test = try TestBackend()
        let file = try await archive(["r.example/a:1"], in: test.folder)
        var request = ImportRequest(name: "x", files: [file], source: .inbox("archive.tar"))
        request.naming = naming("localhost/web", allowing: "localhost/")
        let image = try #require(try await test.backend.importAll(request, tracker: SilentTracker()).first)
        #expect(image.references == ["localhost/web:latest"])
        #expect(image.imported?.warnings.contains { $0.contains("r.example/a:1") } == true)

        request.naming = naming("localhost/web", allowing: "r.other/")
        let refused = await #expect(throws: ImageError.self) {
            try await test.backend.importAll(request, tracker: SilentTracker())
        }
        #expect(refused?.code == .referenceNotAllowed && refused?.message.contains("archive.tar") == true)

        let plain = try test.folder.write(layers[0], to: "Bad Name.tar")
        var other = ImportRequest(name: "x", files: [plain], source: .inbox("Bad Name.tar"))
        other.naming = naming(nil)
        let nameless = await #expect(throws: ImageError.self) {
            try await test.backend.importAll(other, tracker: SilentTracker())
        }
        #expect(nameless?.code == .invalidReference)
    }

    @Test("a compressed archive gives the same image as the plain one", arguments: ["gzip", "zstd -q", "xz"])
    func compressed(program: String) async throws {
        let layout = try TestLayout()
        let many = (0..<12).map { TestLayout.Layer.plain(tar(["file\($0)": "content \($0)", "same": "x"])) }
        // The same layer twice, and layers that lie in another order than they are stacked.
        _ = try layout.image(many + [many[3]], tag: "1")
        let test = try TestBackend()
        let file = test.folder.appending("web.tar")
        try await check("tar", ["-C", layout.path.string, "-cf", file.string, "."])
        try await check("sh", ["-c", "\(program) -c \(file) >\(file).z"])
        func imported(_ file: FilePath, into test: TestBackend) async throws -> Image {
            try await test.backend.import(
                ImportRequest(name: "web", files: [file], source: .hand),
                tracker: SilentTracker()
            )
        }
        let other = try TestBackend()
        let plain = try await imported(file, into: test)
        let compressed = try await imported(FilePath("\(file).z"), into: other)
        #expect(compressed.digest == plain.digest)
        #expect(compressed.layers.map(\.key) == plain.layers.map(\.key))
        #expect(compressed.layers.map(\.bytes) == plain.layers.map(\.bytes))
        #expect(
            compressed.imported?.inputDigests == [Digest.sha256(of: try test.folder.bytes(of: "web.tar.z"))]
        )
    }
}
