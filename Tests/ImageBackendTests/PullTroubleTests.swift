import Host
import OCI
import Registry
import Store
import SystemPackage
import TestSupport
import Testing

@testable import ImageBackend

@Suite("Pulls that break, lie, or meet each other")
struct PullTroubleTests {
    private let size = 3 << 20

    private func layout(path: String = "data", count: Int = 1) throws -> (TestLayout, [[UInt8]]) {
        let layout = try TestLayout()
        let tars = (0..<count).map { noisyTar(size, seed: UInt64($0 + 1), path: path) }
        _ = try layout.image(tars.map { .plain($0) }, tag: "1")
        return (layout, tars)
    }

    @Test("a pull that failed goes on from what had arrived, also in another process")
    func resumed() async throws {
        let (layout, tars) = try layout(count: 2)
        let digest = Digest.sha256(of: tars[1])
        let registry = try await FaultyRegistry(
            layout,
            [
                .init("cut", path: digest.hex, times: 1, at: 1 << 20),
                .init("status", path: digest.hex, times: 6, at: 500),
            ]
        )
        let name = "\(registry.host)/a:1"
        let fixture = try PullFixture()
        let failure = await fixture.failure(name)
        #expect(failure?.isTransient == true)
        let kept = try #require(try fixture.partials()[digest.hex])
        #expect(kept > 0 && kept <= 1 << 20)
        #expect(try fixture.workspaces().isEmpty)

        let next = try PullFixture(again: fixture)
        var image: Image?
        for _ in 0..<6 where image == nil { image = try? await next.pull(name) }
        let pulled = try #require(image?.pulled)
        #expect(pulled.bytesFetched < UInt64(tars.reduce(0) { $0 + $1.count }))
        #expect(try registry.requests().contains { $0.range?.hasPrefix("bytes=\(kept)-") == true })
        #expect(try next.partials().isEmpty)
        #expect(try await next.store.verifyBlobs().isEmpty)
    }

    @Test("what a killed process left is used, and garbage there is thrown away")
    func leftovers() async throws {
        let (layout, tars) = try layout(count: 2)
        let registry = try await FaultyRegistry(layout)
        let fixture = try PullFixture()
        let (good, bad) = (Digest.sha256(of: tars[0]), Digest.sha256(of: tars[1]))
        let partial = fixture.store.layout.partial
        try AtomicFile.write(tars[0], to: partial.appending(good.hex))
        try AtomicFile.write([UInt8](repeating: 7, count: 1 << 20), to: partial.appending(bad.hex))
        try AtomicFile.write([], to: partial.appending("\(good.hex).lock"))
        try await fixture.pull("\(registry.host)/a:1")
        #expect(try registry.fetches()[good.description] == nil)
        #expect(try registry.requests().filter { $0.path.contains(bad.hex) }.last?.range == nil)
        #expect(try fixture.partials().isEmpty)
    }

    @Test(
        "two pulls of one layer at once fetch it once, whether or not it needs the layers below",
        arguments: ["data", "implied/data"]
    )
    func twoPulls(path: String) async throws {
        let (layout, tars) = try layout(path: path)
        _ = try layout.image([.plain(tars[0]), .plain(tar(["top": "t"]))], tag: "2")
        let registry = try await FaultyRegistry(
            layout,
            [.init("slow", path: Digest.sha256(of: tars[0]).hex, times: nil, at: 4 << 20)]
        )
        let fixture = try PullFixture()
        async let one = fixture.pull("\(registry.host)/a:1")
        async let two = fixture.pull("\(registry.host)/b:2")
        let layers = try await (one.layers, two.layers)
        #expect(layers.0[0].key == layers.1[0].key)
        #expect(try registry.fetches()[Digest.sha256(of: tars[0]).description] == 1)
        #expect(try fixture.partials().isEmpty && fixture.workspaces().isEmpty)
    }

    @Test("two processes that pull one image at once fetch each layer once")
    func twoProcesses() async throws {
        let (layout, tars) = try layout(count: 3)
        let registry = try await FaultyRegistry(
            layout,
            [.init("slow", path: Digest.sha256(of: tars[0]).hex, times: nil, at: 4 << 20)]
        )
        let fixture = try PullFixture()
        let other = try PullFixture(again: fixture)
        async let one = fixture.pull("\(registry.host)/a:1")
        async let two = other.pull("\(registry.host)/a:1")
        let digests = try await (one.digest, two.digest)
        #expect(digests.0 == digests.1)
        for tar in tars { #expect(try registry.fetches()[Digest.sha256(of: tar).description] == 1) }
        #expect(try fixture.partials().isEmpty && fixture.workspaces().isEmpty)
    }

    @Test("a cancelled pull stops at once and keeps what had arrived; one that shares its layer goes on")
    func cancelled() async throws {
        let (layout, tars) = try layout()
        let digest = Digest.sha256(of: tars[0])
        let fixture = try PullFixture { $0.stallTimeout = .seconds(600) }
        let gate = fixture.folder.appending("gate")
        let registry = try await FaultyRegistry(
            layout,
            [.init("gate", path: digest.hex, times: nil, at: 1 << 20, value: gate.string)]
        )
        let name = "\(registry.host)/a:1"
        let alone = Task { try await fixture.pull(name) }
        while try fixture.partials()[digest.hex] ?? 0 < 1 << 20 {
            try await Task.sleep(for: .milliseconds(5))
        }
        alone.cancel()
        await #expect(throws: ImageError.self) { try await alone.value }
        #expect(try fixture.partials()[digest.hex] == 1 << 20)

        let first = Task { try await fixture.pull(name) }
        let second = Task { try await fixture.pull("\(registry.host)/b:1") }
        // Both have the manifest, and the layer is being fetched again for whoever was first.
        while try registry.requests().count(where: { $0.path.contains(digest.hex) }) < 2 {
            try await Task.sleep(for: .milliseconds(5))
        }
        while try !registry.requests().contains(where: { $0.path.contains("/v2/b/") }) {
            try await Task.sleep(for: .milliseconds(5))
        }
        first.cancel()
        await #expect(throws: ImageError.self) { try await first.value }
        try AtomicFile.write([], to: gate)
        let image = try await second.value
        #expect(image.layers.map(\.diffID) == [digest])
        #expect(try fixture.partials().isEmpty)
    }

    @Test("a bomb stops at the limit, and nothing of it stays")
    func bomb() async throws {
        let layout = try TestLayout()
        var bomb = TarBuilder()
        bomb.add("zeros", content: [UInt8](repeating: 0, count: 40 << 20))
        _ = try layout.image([try await .gzip(bomb.finish())], tag: "1")
        var crowd = TarBuilder()
        for number in 0..<2000 { crowd.addFile("f\(number)", "") }
        _ = try layout.image([try await .gzip(crowd.finish())], tag: "2")
        let registry = try await FaultyRegistry(layout)
        let fixture = try PullFixture(limits: LayerLimits(entries: 1000, unpackedBytes: 8 << 20))
        for tag in ["1", "2"] {
            let failure = await fixture.failure("\(registry.host)/a:\(tag)")
            #expect(failure?.code == .limitExceeded && failure?.isTransient == false)
        }
        #expect(try fixture.partials().isEmpty && fixture.workspaces().isEmpty)
        #expect(try await fixture.store.images().isEmpty)
    }

    @Test("a layer that is not what manifest or config say is refused, and leaves nothing behind")
    func lies() async throws {
        let layout = try TestLayout()
        let content = tar(["a": "a"])
        let other = Digest.sha256(of: "other".utf8)
        _ = try layout.image([.plain(content)], diffIDs: [other], tag: "diffID")
        _ = try layout.image([.plain(Array("<html>404</html>".utf8))], tag: "page")
        _ = try layout.image([.plain(tar(["b": "b"]))], tag: "corrupt")
        let corrupt = Digest.sha256(of: tar(["b": "b"]))
        let registry = try await FaultyRegistry(
            layout,
            [.init("corrupt", path: corrupt.hex, times: nil, at: 600)]
        )
        let fixture = try PullFixture()
        for (tag, code) in [
            ("diffID", ImageError.Code.digestMismatch), ("page", .notATar), ("corrupt", .digestMismatch),
        ] {
            let failure = await fixture.failure("\(registry.host)/a:\(tag)")
            #expect(
                failure?.code == code && failure?.isTransient == false,
                "\(tag): \(String(describing: failure))"
            )
            #expect(failure?.message.contains("\(registry.host)/a:\(tag)") == true)
        }
        #expect(try fixture.partials().isEmpty && fixture.workspaces().isEmpty)
        #expect(try await fixture.store.images().isEmpty)
    }

    @Test("what the registry says is passed on: not found, no access, patience")
    func refusals() async throws {
        let (layout, _) = try layout()
        let registry = try await FaultyRegistry(
            layout,
            [
                .init("status", path: "/busy/", times: nil, at: 429, value: "7000"),
                .init("status", path: "/secret/", times: nil, at: 403),
            ]
        )
        let fixture = try PullFixture()
        let missing = await fixture.failure("\(registry.host)/a:none")
        #expect(missing?.code == .notFound && missing?.isTransient == false)
        let busy = await fixture.failure("\(registry.host)/busy/a:1")
        #expect(busy?.code == .rateLimited && busy?.isTransient == true)
        #expect(busy?.retryAfter == .seconds(7000))
        let secret = await fixture.failure("\(registry.host)/secret/a:1")
        #expect(secret?.code == .forbidden && secret?.isTransient == false)
        registry.stop()
        let gone = await fixture.failure("\(registry.host)/a:1")
        #expect(gone?.code == .unreachable && gone?.isTransient == true)
        let local = await fixture.failure("localhost/a:1")
        #expect(local?.code == .unsupported)
    }

    @Test("tokens that expire between two layers are renewed")
    func expiringTokens() async throws {
        let (layout, tars) = try layout(count: 4)
        let registry = try await FaultyRegistry(layout, access: "bearer:2")
        let image = try await PullFixture().pull("\(registry.host)/a:1")
        #expect(image.layers.map(\.diffID) == tars.map { Digest.sha256(of: $0) })
    }

    @Test("without room for a layer beyond the reserve nothing of it is fetched")
    func noRoom() async throws {
        let (layout, tars) = try layout()
        let registry = try await FaultyRegistry(layout)
        let fixture = try PullFixture(reserve: 1 << 60)
        let failure = await fixture.failure("\(registry.host)/a:1")
        #expect(failure?.code == .noSpace && failure?.isTransient == true)
        #expect(failure?.message.contains("store.reserve") == true)
        #expect(try registry.fetches()[Digest.sha256(of: tars[0]).description] == nil)
    }
}
