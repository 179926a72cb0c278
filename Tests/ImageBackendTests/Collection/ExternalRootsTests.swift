import GarbageCollection
import Host
import Store
import SystemPackage
import TestSupport
import Testing

@testable import ImageBackend

@Suite("External roots")
struct ExternalRootsTests {
    let configs: TemporaryDirectory
    let test: TestBackend

    init() throws {
        configs = try TemporaryDirectory("configs")
        test = try TestBackend(externalRoots: [configs.path])
    }

    /// An image that only a config by other hands may keep, once released.
    private func image() async throws -> Image {
        let layers = [tar(["boot/vmlinuz-6.1": "k", "boot/initrd.img-6.1": "i"]), tar(["b": "top"])]
        let image = try await test.importing("web", layers[0], layers[1], source: .inbox("web.tar"))
        return image
    }

    private func blobs() async throws -> Int {
        try await test.files().filter { $0.hasPrefix("blobs") && $0.hasSuffix(".erofs") }.count
    }

    @Test("a layer that a config names stays when its image goes, and goes when the config does")
    func blob() async throws {
        let image = try await image()
        try configs.write(
            "{ \"disks\": [ { \"path\": \"\(image.layers[1].path)\" } ] }",
            to: "a/b/config.json"
        )
        try await test.store.release(.inbox("web.tar"))
        #expect(try await test.collect().collected.map(\.candidate.kind) == ["image", "blob"])
        #expect(try FileStatus.of(FilePath(image.layers[1].path)) != nil)
        let roots = try await test.backend.externalRoots.snapshot()
        #expect(
            roots.configs(naming: image.layers[1].key) == [
                configs.appending("a/b/config.json").resolvingSymbolicLinks()
            ]
        )
        try Directory.unlink(configs.appending("a/b/config.json"))
        #expect(try await test.collect().collected.map(\.candidate.kind) == ["blob"])
        #expect(try await blobs() == 0)
    }

    @Test("a kernel keeps its layer, a merged disk itself")
    func otherFiles() async throws {
        let image = try await image()
        let merged = try await test.backend.mergedDisk(of: image.digest, keys: image.layers.map(\.key))
        let kernel = try #require(image.kernel)
        try configs.write("{ \"payload\": { \"kernel\": \"\(kernel)\" } }", to: "1.json")
        try configs.write("[ \"\(merged.storage.path)\" ]", to: "2.json")
        try await test.store.release(.inbox("web.tar"))
        _ = try await test.collect()
        #expect(try await blobs() == 1)
        #expect(try FileStatus.of(FilePath(kernel)) != nil && FileStatus.of(merged.storage.path) != nil)
    }

    @Test(
        "a path is known by whatever name leads to it",
        arguments: ["escaped", "dotted", "through a link", "in a linked config", "in a linked folder"]
    )
    func spellings(how: String) async throws {
        let image = try await image()
        let path = FilePath(image.layers[1].path), store = test.backend.configuration.store.root
        let alias = configs.appending("alias")
        let elsewhere = try TemporaryDirectory("elsewhere")
        switch how {
        case "escaped":
            try configs.write("[\"\(path.string.replacing("/", with: "\\/"))\"]", to: "vm.json")
        case "dotted":
            try configs.write(
                "[\"\(store)/./temp/..//blobs/\(path.string.split(separator: "/blobs/")[1])\"]",
                to: "vm.json"
            )
        case "through a link":
            try await check("ln", ["-s", store.string, alias.string])
            try configs.write(
                "[\"\(path.string.replacing(store.string, with: alias.string))\"]",
                to: "vm.json"
            )
        case "in a linked config":
            try elsewhere.write("[\"\(path)\"]", to: "real")
            try await check(
                "ln",
                ["-s", elsewhere.appending("real").string, configs.appending("vm.json").string]
            )
        default:
            try elsewhere.write("[\"\(path)\"]", to: "vm.json")
            try await check("ln", ["-s", elsewhere.path.string, configs.appending("more").string])
            // A loop of links is walked once.
            try await check("ln", ["-s", configs.path.string, elsewhere.appending("back").string])
        }
        try await test.store.release(.inbox("web.tar"))
        _ = try await test.collect()
        #expect(try FileStatus.of(path) != nil)
    }

    @Test(
        "one that cannot be read or parsed stops the collection and is named",
        arguments: ["cut", "missing folder"]
    )
    func unreadable(how: String) async throws {
        _ = try await image()
        try await test.store.release(.inbox("web.tar"))
        if how == "cut" {
            try configs.write("{ \"disks\": [", to: "vm.json")
        } else {
            try Directory.removeTree(configs.path)
        }
        let error = await #expect(throws: (any Error).self) { try await test.collect() }
        let words = error.map { "\($0)" } ?? ""
        #expect(words.contains(how == "cut" ? "vm.json:1:13" : configs.path.string), "\(words)")
        #expect(words.contains("gc.externalRoots"))
        #expect(try await blobs() == 2)
    }

    @Test("other files, other paths and links to nothing are of no concern")
    func others() async throws {
        let image = try await image()
        try configs.write("{ not json", to: "notes.txt")
        try configs.write(
            "[\"/dev/null\", \"\(image.layers[1].path)x\", 1, null, { \"a\": true }]",
            to: "vm.json"
        )
        try await check("ln", ["-s", "/nowhere", configs.appending("gone.json").string])
        try await test.store.release(.inbox("web.tar"))
        _ = try await test.collect()
        #expect(try await blobs() == 0)
    }
}
