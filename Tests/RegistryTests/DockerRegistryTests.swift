import Host
import OCI
import Registry
import TestSupport
import Testing

@Suite("Against docker-registry")
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
        #expect(try await client.digest(of: tagged) == pushed.digest)
        #expect(
            try await client.resolve(tagged.pinned(to: pushed.digest)).manifestBytes == image.manifestBytes
        )
    }
}
