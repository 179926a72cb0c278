import Host
import OCI
import SystemPackage
import TestSupport
import Testing

@testable import Registry

@Suite("Against docker-registry", .serialized)
struct DockerRegistryTests {
    @Test("an image is resolved by tag and by digest, and its layers are what was pushed")
    func anonymousPull() async throws {
        let layout = try TestLayout()
        let gzip = try await TestLayout.Layer.gzip(noisyTar(300_000))
        let zstd = try await TestLayout.Layer.zstd(noisyTar(200_000, seed: 2))
        let plain = TestLayout.Layer.plain(noisyTar(100, seed: 3))
        let pushed = try layout.image([gzip, zstd, plain], tag: "v1")
        let registry = try await DockerRegistry()
        try await registry.push(layout, "v1", as: "lab/app:v1", arguments: ["--preserve-digests"])

        let client = try makeClient()
        let tagged = try reference("\(registry.host)/lab/app:v1")
        let image = try await client.resolve(tagged)
        #expect(image.digest == pushed.digest)
        #expect(image.manifestDigest == pushed.digest)
        #expect(image.indexDigests.isEmpty)
        #expect(image.layers.map(\.kind) == [.tar(.gzip), .tar(.zstd), .tar(.none)])
        #expect(image.layers.map(\.diffID) == [gzip, zstd, plain].map(\.diffID))
        #expect(try await client.layers(of: image) == [gzip, zstd, plain].map(\.bytes))
        #expect(
            try await client.resolve(tagged.pinned(to: pushed.digest)).manifestBytes == image.manifestBytes
        )
        #expect(try await client.digest(of: tagged.pinned(to: pushed.digest)) == pushed.digest)
    }

    @Test("what a tag means is told by one request")
    func oneRequest() async throws {
        let layout = try TestLayout()
        let pushed = try layout.image([.plain(noisyTar(10))], tag: "v1")
        let registry = try await DockerRegistry()
        try await registry.push(layout, "v1", as: "lab/app:v1", arguments: ["--preserve-digests"])
        let client = try makeClient()
        let before = try registry.requests().count
        #expect(try await client.digest(of: try reference("\(registry.host)/lab/app:v1")) == pushed.digest)
        #expect(try registry.requests().dropFirst(before) == ["HEAD /v2/lab/app/manifests/v1 200"])
    }

    @Test("an index and a Docker list lead to the platform that was asked for", arguments: ["oci", "v2s2"])
    func platforms(format: String) async throws {
        let layout = try TestLayout()
        var layers: [TestLayout.Layer] = []
        var manifests: [Descriptor] = []
        for (seed, text) in ["linux/amd64", "linux/arm64/v8", "linux/arm/v7"].enumerated() {
            let layer = try await TestLayout.Layer.gzip(noisyTar(100, seed: UInt64(seed)))
            let parts = text.split(separator: "/").map(String.init)
            let variant = parts.count > 2 ? parts[2] : nil
            let platform = Platform(os: parts[0], architecture: parts[1], variant: variant)
            layers.append(layer)
            manifests.append(try layout.image([layer], platform: platform))
        }
        let pushed = try layout.index(manifests, tag: "multi")
        let registry = try await DockerRegistry()
        try await registry.push(layout, "multi", as: "lab/multi:latest", arguments: ["--format", format])
        let client = try makeClient()
        let name = try reference("\(registry.host)/lab/multi")
        for (position, text) in ["linux/amd64", "linux/arm64", "linux/arm/v7"].enumerated() {
            let image = try await client.resolve(name, platform: try #require(Platform(text)))
            #expect(image.manifest.mediaType == (format == "oci" ? .ociManifest : .dockerManifest))
            #expect(image.indexDigests == [try await client.digest(of: name)])
            #expect((image.digest == pushed.digest) == (format == "oci"))
            #expect(image.layers.map(\.diffID) == [layers[position].diffID])
            #expect(try await client.layers(of: image) == [layers[position].bytes])
        }
        let missing = await registryError {
            try await client.resolve(name, platform: try #require(Platform("linux/s390x")))
        }
        #expect(missing?.code == .noMatchingPlatform)
        #expect(missing?.message.contains("linux/arm/v7") == true)
    }

    @Test("what is not there is said so, at once and for good")
    func notFound() async throws {
        let registry = try await DockerRegistry()
        let client = try makeClient()
        for operation in [true, false] {
            let error = await registryError {
                let absent = try reference("\(registry.host)/no/such:thing")
                return operation
                    ? try await client.digest(of: absent) : try await client.resolve(absent).digest
            }
            #expect(error?.code == .notFound && error?.isTransient == false)
            #expect(error?.message.contains("\(registry.host)/no/such:thing") == true)
        }
        #expect(try registry.requests().count == 2)
    }
}

@Suite("Who we are, against docker-registry", .serialized)
struct AuthenticationTests {
    private let folder: TemporaryDirectory
    private let layout: TestLayout

    init() throws {
        folder = try TemporaryDirectory("auth")
        layout = try TestLayout()
        _ = try layout.image([.plain(noisyTar(1000))], tag: "v1")
    }

    private func authFile(_ host: String, _ user: String, _ password: String) throws -> FilePath {
        let auth = Base64.encode(Array("\(user):\(password)".utf8))
        return try folder.write(#"{"auths": {"\#(host)": {"auth": "\#(auth)"}}}"#, to: "auth.json")
    }

    @Test("a password opens a registry that wants one, and is asked for once")
    func basic() async throws {
        var options = DockerRegistry.Options()
        options.access = .basic(user: "bob", password: "s3:cr et")
        let registry = try await DockerRegistry(options)
        try await registry.push(layout, "v1", as: "lab/app:v1")
        let client = try makeClient(credentials: [try authFile(registry.host, "bob", "s3:cr et")])
        let before = try registry.requests().count
        let image = try await client.resolve(try reference("\(registry.host)/lab/app:v1"))
        _ = try await client.layers(of: image)
        let statuses = try registry.requests().dropFirst(before).map { String($0.suffix(3)) }
        #expect(statuses == ["401", "200", "200", "200"])
    }

    @Test("a wrong password and none at all are told apart; neither shows")
    func basicRefused() async throws {
        var options = DockerRegistry.Options()
        options.access = .basic(user: "bob", password: "right")
        let registry = try await DockerRegistry(options)
        let name = try reference("\(registry.host)/lab/app:v1")
        let none = await registryError { try await makeClient().resolve(name) }
        #expect(none?.code == .unauthorized && none?.isTransient == false)
        #expect(none?.message.contains("none are written for it") == true)
        let file = try authFile(registry.host, "bob", "hunter2")
        let wrong = await registryError { try await makeClient(credentials: [file]).resolve(name) }
        #expect(wrong?.code == .unauthorized && wrong?.isTransient == false)
        #expect(wrong?.message.contains(file.string) == true)
        #expect(wrong?.message.contains("hunter2") == false)
    }

    @Test(
        "tokens are fetched for what they are for, with credentials where there are some, and used until they expire"
    )
    func tokens() async throws {
        let server = try await TokenServer()
        var options = DockerRegistry.Options()
        options.access = .token(server)
        let registry = try await DockerRegistry(options)
        for name in ["public/app:v1", "private/app:v1"] { try await registry.push(layout, "v1", as: name) }
        let pushes = try server.requests().count
        let clock = TestClock()
        let client = try makeClient(
            credentials: [try authFile(registry.host, TokenServer.user, TokenServer.password)]
        ) { $0.time = clock.source }

        let anonymous = try makeClient()
        _ = try await anonymous.layers(
            of: try await anonymous.resolve(try reference("\(registry.host)/public/app:v1"))
        )
        #expect(try server.requests().dropFirst(pushes) == ["token anonymous repository:public/app:pull"])
        let refused = await registryError {
            try await anonymous.resolve(try reference("\(registry.host)/private/app:v1"))
        }
        #expect(refused?.code == .unauthorized)

        let before = try server.requests().count
        let name = try reference("\(registry.host)/private/app:v1")
        let image = try await client.resolve(name)
        // Eight at once share the token.
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<8 { group.addTask { _ = try await client.layers(of: image) } }
            try await group.waitForAll()
        }
        #expect(try server.requests().dropFirst(before) == ["token alice repository:private/app:pull"])
        // It has expired by our clock: another one is fetched before anybody says no.
        clock.advance(.seconds(280))
        let requests = try registry.requests().count
        _ = try await client.digest(of: name)
        #expect(try server.requests().count == before + 2)
        #expect(try registry.requests().dropFirst(requests) == ["HEAD /v2/private/app/manifests/v1 200"])
    }

    @Test("a token service that refuses the password is named with the file it came from")
    func tokenRefused() async throws {
        let server = try await TokenServer()
        var options = DockerRegistry.Options()
        options.access = .token(server)
        let registry = try await DockerRegistry(options)
        let file = try authFile(registry.host, "mallory", "hunter2")
        let error = await registryError {
            try await makeClient(credentials: [file]).resolve(try reference("\(registry.host)/public/app:v1"))
        }
        #expect(error?.code == .unauthorized && error?.isTransient == false)
        #expect(error?.message.contains(file.string) == true)
        #expect(error?.message.contains("hunter2") == false)
    }

    @Test("credentials of registries.yaml come before those of files")
    func configured() async throws {
        var options = DockerRegistry.Options()
        options.access = .basic(user: "bob", password: "right")
        let registry = try await DockerRegistry(options)
        try await registry.push(layout, "v1", as: "lab/app:v1")
        let client = try makeClient(
            registries: "configs: { \"\(registry.host)\": { auth: { username: bob, password: right } } }",
            credentials: [try authFile(registry.host, "bob", "wrong")],
            in: folder
        )
        _ = try await client.resolve(try reference("\(registry.host)/lab/app:v1"))
    }
}

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
