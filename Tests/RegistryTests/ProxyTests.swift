import Host
import OCI
import TestSupport
import Testing

@testable import Registry

@Suite("Through a proxy", .serialized)
struct ProxyTests {
    private let folder: TemporaryDirectory
    private let layout: TestLayout
    private let layer = TestLayout.Layer.plain(noisyTar(100_000))

    init() throws {
        folder = try TemporaryDirectory("proxy")
        layout = try TestLayout()
        _ = try layout.image([layer], tag: "v1")
    }

    @Test("plain HTTP is asked of the proxy itself")
    func plain() async throws {
        let proxy = try await FaultyRegistry(layout)
        let client = try makeClient(
            registries: "mirrors: { registry.example: { endpoint: [\"http://registry.example\"] } }",
            in: folder
        ) { $0.proxies = ProxySettings(http: "http://\(proxy.host)") }
        let image = try await client.resolve(try reference("registry.example/lab/app:v1"))
        #expect(try await client.layers(of: image)[0] == layer.bytes)
        #expect(
            try proxy.requests().first?.path
                == "http://registry.example/v2/lab/app/manifests/v1?ns=registry.example"
        )
    }

    @Test("HTTPS is tunnelled, and the proxy learns no more than the host")
    func tunnelled() async throws {
        var options = DockerRegistry.Options()
        options.certificates = try await Certificates()
        let registry = try await DockerRegistry(options)
        try await registry.push(layout, "v1", as: "lab/app:v1", arguments: ["--preserve-digests"])
        let port = try #require(Int(registry.host.split(separator: ":").last ?? ""))
        let proxy = try await FaultyRegistry(
            layout,
            [.init("tunnel", path: ".", method: "CONNECT", times: nil, at: port)]
        )
        let client = try makeClient(
            registries: "configs: { registry.example: { tls: { insecure_skip_verify: true } } }",
            in: folder
        ) { $0.proxies = ProxySettings(https: "http://\(proxy.host)") }
        let image = try await client.resolve(try reference("registry.example/lab/app:v1"))
        #expect(try await client.layers(of: image)[0] == layer.bytes)
        #expect(
            Set(try proxy.requests().map { "\($0.method) \($0.path)" }) == ["CONNECT registry.example:443"]
        )
    }
}
