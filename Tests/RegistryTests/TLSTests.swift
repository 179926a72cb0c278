import Host
import OCI
import SystemPackage
import TestSupport
import Testing

@testable import Registry

@Suite("TLS, against docker-registry", .serialized)
struct TLSTests {
    private let folder: TemporaryDirectory
    private let layout: TestLayout
    private let certificates: Certificates

    init() async throws {
        folder = try TemporaryDirectory("tls")
        layout = try TestLayout()
        _ = try layout.image([.plain(noisyTar(3 << 20))], tag: "v1")
        certificates = try await Certificates()
    }

    private func pull(_ registry: DockerRegistry, tls: String) async throws -> Int {
        let client = try makeClient(
            registries: "configs: { \"\(registry.host)\": { tls: \(tls) } }",
            in: folder
        )
        return try await client.layers(of: client.resolve(try reference("\(registry.host)/lab/app:v1")))[0]
            .count
    }

    @Test("a private CA is trusted where it is named, and nowhere else")
    func privateAuthority() async throws {
        var options = DockerRegistry.Options()
        options.certificates = certificates
        let registry = try await DockerRegistry(options)
        try await registry.push(layout, "v1", as: "lab/app:v1")
        let before = try registry.requests().count
        #expect(try await pull(registry, tls: "{ ca_file: \"\(certificates.authority)\" }") > 3 << 20)
        #expect(try registry.requests().count == before + 3)
        #expect(try await pull(registry, tls: "{ insecure_skip_verify: true }") > 3 << 20)
        let error = await registryError { try await pull(registry, tls: "{ insecure_skip_verify: false }") }
        #expect(error?.code == .tls && error?.isTransient == false)
        let missing = await registryError {
            try await pull(registry, tls: "{ ca_file: /nonexistent/ca.pem }")
        }
        #expect(missing?.code == .configuration && missing?.isTransient == false)
    }

    @Test("a registry that wants a certificate gets ours")
    func clientCertificate() async throws {
        var options = DockerRegistry.Options()
        options.certificates = certificates
        options.demandsClientCertificate = true
        let registry = try await DockerRegistry(options)
        try await registry.push(layout, "v1", as: "lab/app:v1")
        let ca = "ca_file: \"\(certificates.authority)\""
        let ours = "cert_file: \"\(certificates.client)\", key_file: \"\(certificates.clientKey)\""
        #expect(try await pull(registry, tls: "{ \(ca), \(ours) }") > 3 << 20)
        let error = await registryError { try await pull(registry, tls: "{ \(ca) }") }
        #expect(error != nil)
    }

    @Test("small requests share an HTTP/2 connection, blobs have connections of their own")
    func protocols() async throws {
        var options = DockerRegistry.Options()
        options.certificates = certificates
        let registry = try await DockerRegistry(options)
        try await registry.push(layout, "v1", as: "lab/app:v1")
        _ = try await pull(registry, tls: "{ ca_file: \"\(certificates.authority)\" }")
        let lines = try registry.accessLog().suffix(3)
        #expect(lines.prefix(2).allSatisfy { $0.contains("HTTP/2.0") })
        #expect(lines.last?.contains("HTTP/1.1") == true)
    }
}
