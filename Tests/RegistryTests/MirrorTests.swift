import Host
import OCI
import SystemPackage
import TestSupport
import Testing

@testable import Registry

@Suite("Mirrors", .serialized)
struct MirrorTests {
    private let folder: TemporaryDirectory
    private let layout: TestLayout
    private let digest: Digest

    init() throws {
        folder = try TemporaryDirectory("mirror")
        layout = try TestLayout()
        digest = try layout.image([.plain(noisyTar(1000))], tag: "v1").digest
    }

    @Test(
        "a pull-through cache is asked first, and serves while its upstream is away",
        .timeLimit(.minutes(1))
    )
    func pullThrough() async throws {
        let upstream = try await DockerRegistry()
        try await upstream.push(layout, "v1", as: "lab/app:v1", arguments: ["--preserve-digests"])
        var options = DockerRegistry.Options()
        options.upstream = "http://\(upstream.host)"
        let mirror = try await DockerRegistry(options)
        let yaml = "mirrors: { \"\(upstream.host)\": { endpoint: [\"http://\(mirror.host)\"] } }"
        let client = try makeClient(registries: yaml, in: folder)
        let name = try reference("\(upstream.host)/lab/app:v1")
        let image = try await client.resolve(name)
        _ = try await client.layers(of: image)
        #expect(try mirror.requests().count == 3)
        // It keeps blobs in the background.
        let digests = [image.configDigest] + image.layers.map(\.descriptor.digest)
        while !(try digests.allSatisfy { try mirror.holds($0) }) {
            try await Task.sleep(for: .milliseconds(10))
        }
        upstream.stop()
        #expect(try await client.resolve(name).digest == digest)
        #expect(try await client.layers(of: image).count == 1)
    }

    @Test("a mirror that does not have it, or has trouble, is passed over")
    func passedOver() async throws {
        let empty = try await FaultyRegistry(try TestLayout())
        let broken = try await FaultyRegistry(layout, [.init("status", path: ".", times: nil, at: 503)])
        let lying = try await FaultyRegistry(layout, [.init("corrupt", path: "manifests", times: nil, at: 5)])
        let registry = try await FaultyRegistry(layout)
        let endpoints = [empty, broken, lying].map { "\"http://\($0.host)\"" }.joined(separator: ", ")
        let yaml = "mirrors: { \"\(registry.host)\": { endpoint: [\(endpoints)] } }"
        let client = try makeClient(registries: yaml, in: folder)
        let image = try await client.resolve(try reference("\(registry.host)/lab/app:v1"))
        #expect(image.digest == digest)
        #expect(try registry.requests().first?.path == "/v2/lab/app/manifests/v1")
        #expect(try empty.requests().first?.path == "/v2/lab/app/manifests/v1?ns=\(registry.host)")
    }

    @Test("a dead mirror costs its time-out once, and is tried again later")
    func dead() async throws {
        // Somebody who listens and never says a word.
        let mirror = try await FaultyRegistry(layout, [.init("stall", path: ".", times: 1)])
        let registry = try await FaultyRegistry(layout)
        let clock = TestClock()
        let yaml = "mirrors: { \"\(registry.host)\": { endpoint: [\"http://\(mirror.host)\"] } }"
        let client = try makeClient(registries: yaml, in: folder) {
            $0.time = clock.source
            $0.stallTimeout = .seconds(1)
        }
        let name = try reference("\(registry.host)/lab/app:v1")
        let image = try await client.resolve(name)
        _ = try await client.layers(of: image)
        #expect(try mirror.requests().count == 1)
        #expect(try registry.requests().count == 3)
        clock.advance(.seconds(31))
        _ = try await client.resolve(name)
        #expect(try mirror.requests().count == 3)
        #expect(try registry.requests().count == 3)
    }

    @Test("of all who fail, each is named, and the registry itself decides")
    func allFail() async throws {
        let mirror = try await FaultyRegistry(layout, [.init("status", path: ".", times: nil, at: 403)])
        let registry = try await FaultyRegistry(try TestLayout())
        let yaml = "mirrors: { \"\(registry.host)\": { endpoint: [\"http://\(mirror.host)\"] } }"
        let error = await registryError {
            try await makeClient(registries: yaml, in: folder).resolve(
                try reference("\(registry.host)/lab/app:v1")
            )
        }
        #expect(error?.code == .notFound)
        #expect(
            error?.message.contains("\(mirror.host) (a mirror of \(registry.host)) does not allow it") == true
        )
    }

    @Test("names are rewritten at a mirror, and tokens are for the name it has there")
    func rewritten() async throws {
        let mirror = try await FaultyRegistry(layout, access: "bearer:100")
        let yaml = """
            mirrors:
              registry.example:
                endpoint: ["http://\(mirror.host)"]
                rewrite: { "^lab/(.*)": "mirrored/$1" }
            """
        let client = try makeClient(registries: yaml, in: folder)
        let image = try await client.resolve(try reference("registry.example/lab/app:v1"))
        #expect(image.reference.description == "registry.example/lab/app:v1")
        let paths = try mirror.requests().map(\.path)
        #expect(paths.first == "/v2/mirrored/app/manifests/v1?ns=registry.example")
        #expect(paths.contains { $0.hasPrefix("/token?") && $0.contains("mirrored%2Fapp%3Apull") })
    }
}
