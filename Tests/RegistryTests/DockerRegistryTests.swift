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
