import GarbageCollection
import Host
import OCI
import Store
import SystemPackage
import TestSupport
import Testing

@testable import ImageBackend

@Suite("Looking images up, deleting and collecting them")
struct LookupTests {
    let base = tar(["a": "base", "boot/vmlinuz": "k", "boot/initrd.img": "i"])
    let top = tar(["b": "top"])

    @Test("finds an image by reference, normalised reference, digest, config digest and unique prefix")
    func queries() async throws {
        let test = try TestBackend()
        let image = try await test.importing("docker.io/library/nginx:1.27", base)
        for query in [
            "nginx:1.27", "docker.io/library/nginx:1.27", "index.docker.io/library/nginx:1.27",
            image.digest.description, image.digest.hex, image.configDigest.description,
            String(image.digest.hex.prefix(12)), "sha256:" + image.digest.hex.prefix(20),
            "nginx:1.27@\(image.digest)",
        ] {
            #expect(try await test.backend.inspect(query)?.digest == image.digest, "\(query)")
        }
        for query in [
            "nginx", "nginx:1.28", "other", String(image.digest.hex.prefix(11)),
            "sha256:" + String(repeating: "0", count: 64),
        ] {
            #expect(try await test.backend.inspect(query) == nil, "\(query)")
        }
    }

    @Test("prefers localhost/ for a short name")
    func shortNames() async throws {
        let test = try TestBackend()
        try await test.importing("docker.io/library/web:latest", base)
        #expect(try await test.backend.inspect("web")?.references == ["docker.io/library/web:latest"])
        try await test.importing("web", top)
        #expect(try await test.backend.inspect("web")?.references == ["localhost/web:latest"])
    }

    @Test("says what is wrong with a query that names nothing")
    func invalid() async throws {
        let test = try TestBackend()
        let error = await #expect(throws: ImageError.self) { try await test.backend.inspect("UPPER/Case") }
        #expect(error?.code == .invalidReference)
    }

    @Test("deletes what it finds and skips the rest")
    func delete() async throws {
        let test = try TestBackend()
        try await test.importing("a", base)
        try await test.importing("b", top)
        #expect(try await test.backend.delete(["a", "missing"]) == ["a"])
        #expect(try await test.backend.list().map(\.references) == [["localhost/b:latest"]])
        _ = try await test.collect()
        #expect(try await test.files().filter { $0.hasSuffix(".erofs") }.count == 1)
    }

    @Test("collects an image and its blobs once nothing pins it, and nothing else")
    func collection() async throws {
        let test = try TestBackend()
        try await test.importing("a", base, source: .inbox("a.tar"))
        try await test.importing("b", base, top, source: .inbox("b.tar"))
        #expect(try await test.collect().collected.isEmpty)
        try await test.store.release(.inbox("b.tar"))
        let report = try await test.collect()
        #expect(report.collected.map(\.candidate.kind).sorted() == ["blob", "image"])
        #expect(report.bytes > 0)
        #expect(try await test.backend.list().map(\.references) == [["localhost/a:latest"]])
        #expect(try await test.files().filter { $0.hasSuffix(".erofs") }.count == 1)
        try await test.store.release(.inbox("a.tar"))
        _ = try await test.collect()
        let left = try await test.files()
        #expect(left == [])
    }

    @Test("keeps an image nothing pins for its time to live")
    func timeToLive() async throws {
        let test = try TestBackend(unpinnedTTL: .seconds(3600))
        let image = try await test.importing("a", base, source: .inbox("a.tar"))
        try await test.store.release(.inbox("a.tar"))
        #expect(try await test.collect().candidates.isEmpty)
        #expect(try await test.backend.inspect(image.digest.description) != nil)
    }
}

@Suite("What a VM gets of its image")
struct VMConfigurationTests {
    @Test("are its layers in order with serials, and its boot files")
    func disks() async throws {
        let test = try TestBackend()
        let base = tar(["a": "base", "boot/vmlinuz": "k", "boot/initrd.img": "i"])
        let image = try await test.importing("web", base, tar(["b": "top"]))
        let vm = try #require(
            try await test.backend.config([VMImage(name: "web-1", selection: .query("web"))]).first
        )
        #expect(vm.image == image.digest)
        #expect(vm.keys == image.layers.map(\.key))
        #expect(vm.storage.map(\.serial) == ["layer0", "layer1"])
        #expect(vm.storage.map(\.path.string) == image.layers.map(\.path))
        #expect(vm.boot?.kernelPath.string == image.kernel)
        let bound = try await test.backend.config([
            VMImage(name: "web-1", selection: .bound(image: vm.image, keys: vm.keys))
        ])
        #expect(bound == [vm])
    }

    @Test(
        "leave out layers without entries, all but the topmost of a repeated one, and what an opaque root hides"
    )
    func selection() async throws {
        let test = try TestBackend()
        let (a, b) = (tar(["a": "a"]), tar(["b": "b"]))
        let repeated = try await test.importing("repeated", a, TarBuilder().finish(), b, a)
        let config = try await test.backend.config([VMImage(name: "v", selection: .query("repeated"))])[0]
        #expect(config.keys.count == 4)
        #expect(config.storage.map(\.path.string) == [repeated.layers[2].path, repeated.layers[3].path])
        let opaque = try await test.importing("opaque", a, tar([".wh..wh..opq": "", "c": "c"]), b)
        let above = try await test.backend.config([VMImage(name: "v", selection: .query("opaque"))])[0]
        #expect(above.storage.map(\.path.string) == opaque.layers.dropFirst().map(\.path))
    }

    @Test("name the VM and what is missing")
    func missing() async throws {
        let test = try TestBackend()
        let unknown = await #expect(throws: ImageError.self) {
            try await test.backend.config([VMImage(name: "web-1", selection: .query("nowhere"))])
        }
        #expect(unknown?.code == .notFound)
        #expect(unknown?.message.contains("web-1") == true && unknown?.message.contains("nowhere") == true)
        let image = try await test.importing("web", tar(["a": "a"]))
        try Directory.unlink(FilePath(image.layers[0].path))
        let lost = await #expect(throws: ImageError.self) {
            try await test.backend.config([VMImage(name: "web-1", selection: .query("web"))])
        }
        #expect(lost?.code == .notFound && lost?.message.contains("web-1") == true)
    }
}
