import Host
import OCI
import TestSupport
import Testing

@testable import Registry

@Suite("What a reference means", .serialized)
struct ResolvingTests {
    private let layout: TestLayout
    private let layer = TestLayout.Layer.plain(noisyTar(100))

    init() throws { layout = try TestLayout() }

    private func resolve(
        _ tag: String = "v1",
        platform: Platform = .host,
        faults: [FaultyRegistry.Fault] = [],
        change: (inout ClientConfiguration) -> Void = { _ in }
    ) async throws -> RemoteImage {
        let registry = try await FaultyRegistry(layout, faults)
        let client = try makeClient(change: change)
        return try await client.resolve(try reference("\(registry.host)/lab/app:\(tag)"), platform: platform)
    }

    private func refusal(_ tag: String = "v1", change: (inout ClientConfiguration) -> Void = { _ in }) async
        -> RegistryError?
    {
        await registryError { try await resolve(tag, change: change) }
    }

    @Test("attestations and entries of kinds nobody knows are passed over")
    func attestations() async throws {
        let image = try layout.image([layer])
        var attestation = try layout.image(
            [layer],
            platform: Platform(os: "unknown", architecture: "unknown")
        )
        attestation.annotations = ["vnd.docker.reference.type": "attestation-manifest"]
        var strange = try layout.blob([1, 2, 3], MediaType(rawValue: "application/vnd.example.thing"))
        strange.platform = .host
        _ = try layout.index([attestation, strange, image], tag: "v1")
        #expect(try await resolve().manifestDigest == image.digest)
    }

    @Test("an index may lead to another, but not for ever")
    func nested() async throws {
        let image = try layout.image([layer])
        var next = try layout.index([image])
        for depth in 2...4 {
            next.platform = .host
            next = try layout.index([next], tag: "depth\(depth)")
        }
        let found = try await resolve("depth4")
        #expect(found.manifestDigest == image.digest)
        #expect(found.indexDigests.count == 4)
        next.platform = .host
        _ = try layout.index([next], tag: "depth5")
        #expect(await refusal("depth5")?.code == .limitExceeded)
    }

    @Test("a variant with native layers is taken where there is one, and where it is liked")
    func native() async throws {
        let plain = try layout.image([layer])
        let erofs = TestLayout.Layer(
            bytes: [1, 2, 3],
            diffID: .sha256(of: [1, 2, 3]),
            mediaType: .erofsLayer
        )
        var native = try layout.image([erofs])
        native.platform?.osFeatures = ["erofs"]
        var exotic = try layout.image([TestLayout.Layer.plain(noisyTar(5))])
        exotic.platform?.osFeatures = ["unheard-of"]
        _ = try layout.index([exotic, plain, native], tag: "v1")
        let liked = try await resolve()
        #expect(liked.manifestDigest == native.digest)
        #expect(liked.layers.map(\.kind) == [.erofs(.none)])
        #expect(try await resolve { $0.prefersNativeLayers = false }.manifestDigest == plain.digest)
    }

    @Test("an image for another platform is refused by what its config says")
    func otherPlatform() async throws {
        _ = try layout.image([layer], platform: Platform(os: "linux", architecture: "s390x"), tag: "v1")
        let error = await refusal()
        #expect(error?.code == .noMatchingPlatform)
        #expect(error?.message.contains("linux/s390x") == true)
    }

    @Test("Docker's schema 1 is refused by name")
    func schema1() async throws {
        _ = try layout.image([layer], tag: "v1")
        let type = "application/vnd.docker.distribution.manifest.v1+prettyjws"
        let error = await registryError {
            try await resolve(faults: [.init("type", path: "manifests", times: nil, value: type)])
        }
        #expect(error?.code == .unsupported && error?.message.contains("schema 1") == true)
        let old = try layout.blob(Array(#"{"schemaVersion":1,"fsLayers":[],"name":"x"}"#.utf8), .ociManifest)
        try layout.tag(old, "old")
        let second = await refusal("old")
        #expect(second?.code == .unsupported && second?.message.contains("schema 1") == true)
    }

    @Test("an artifact is no image")
    func artifact() async throws {
        _ = try layout.image(
            [layer],
            configType: MediaType(rawValue: "application/vnd.cncf.helm.config.v1+json"),
            tag: "v1"
        )
        let error = await refusal()
        #expect(error?.code == .unsupported, "\(String(describing: error))")
        #expect(error?.message.contains("helm") == true)
    }

    @Test("a config that lists other layers than the manifest is refused")
    func mismatch() async throws {
        _ = try layout.image([layer], diffIDs: [layer.diffID, layer.diffID], tag: "v1")
        #expect(await refusal()?.code == .malformed)
    }

    @Test("more layers than can be attached are refused")
    func manyLayers() async throws {
        _ = try layout.image(Array(repeating: layer, count: 500), tag: "v1")
        #expect(try await resolve().layers.count == 500)
        _ = try layout.image(Array(repeating: layer, count: 501), tag: "v2")
        #expect(await refusal("v2")?.code == .limitExceeded)
    }

    @Test(
        "layers that cannot be read are refused by name",
        arguments: [
            "application/vnd.oci.image.layer.v1.tar+gzip+encrypted",
            "application/vnd.oci.image.layer.v1.tar+lzma",
            "application/vnd.example.layer", "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
        ]
    )
    func refusedLayers(_ type: String) async throws {
        var odd = layer
        odd.mediaType = MediaType(rawValue: type)
        _ = try layout.image([layer, odd], tag: "v1")
        let error = await refusal()
        #expect(error?.code == .unsupported && error?.isTransient == false)
        #expect(error?.message.contains("layer 1") == true && error?.message.contains(type) == true)
    }

    @Test(
        "a foreign layer is fetched from where its URLs point, if that is allowed, and nobody learns who we are"
    )
    func foreign() async throws {
        let elsewhere = try await FaultyRegistry(layout, access: "basic:bob:secret")
        let open = try await FaultyRegistry(layout)
        var foreign = layer
        foreign.mediaType = .dockerForeignLayerGzip
        foreign.urls = [elsewhere, open].map { "http://\($0.host)/v2/any/blobs/\(layer.diffID)" }
        _ = try layout.image([foreign], tag: "v1")
        #expect(await refusal()?.code == .unsupported)
        let folder = try TemporaryDirectory("foreign")
        let registry = try await FaultyRegistry(layout)
        let client = try makeClient(
            registries: "configs: { \"\(elsewhere.host)\": { auth: { username: bob, password: secret } } }",
            in: folder
        ) { $0.allowsForeignLayers = true }
        let image = try await client.resolve(try reference("\(registry.host)/lab/app:v1"))
        #expect(try await client.layers(of: image) == [layer.bytes])
        #expect(try elsewhere.requests().allSatisfy { $0.authorization == nil })
        #expect(try registry.requests().count == 2)
    }
}
