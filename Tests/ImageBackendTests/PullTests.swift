import EROFS
import Host
import OCI
import Store
import SystemPackage
import TestSupport
import Testing

@testable import ImageBackend

@Suite("Pulling images from a registry")
struct PullTests {
    @Test(
        "an image of several platforms and compressions is pulled for one, and costs one request from then on"
    )
    func multiArch() async throws {
        let registry = try await DockerRegistry()
        let layout = try TestLayout()
        let layers: [TestLayout.Layer] = [
            .plain(tar(["etc/a": "a"])), try await .gzip(tar(["b": "b"])), try await .zstd(tar(["c": "c"])),
        ]
        let mine = try layout.image(layers)
        let other = try layout.image([layers[0]], platform: Platform(os: "linux", architecture: "s390x"))
        let index = try layout.index([other, mine], tag: "1")
        try await registry.push(layout, "1", as: "team/app:1", arguments: ["--preserve-digests"])

        let fixture = try PullFixture()
        let recorder = Recorder()
        let name = "\(registry.host)/team/app:1"
        let image = try await fixture.pull(name, alias: "localhost/app", tracker: recorder)
        #expect(image.digest == mine.digest && image.platform == Platform.host.description)
        #expect(image.references == [name, "localhost/app:latest"].sorted() && image.pins == [.hand])
        #expect(image.layers.map(\.diffID) == layers.map(\.diffID))
        #expect(image.pulled?.resolved == index.digest && image.pulled?.isUnchanged == false)
        #expect(image.pulled?.bytesFetched == UInt64(layers.reduce(0) { $0 + $1.bytes.count }))
        #expect(try await fixture.store.image(index.digest)?.record.digest == mine.digest)
        #expect(try fixture.partials().isEmpty && fixture.workspaces().isEmpty)
        #expect(recorder.events.first?.phase == .pull && recorder.events.last?.phase == .done)
        let pulling = recorder.events.last { $0.phase == .pull }
        #expect(pulling?.bytes == pulling?.total && pulling?.total == image.pulled?.layerBytes)
        let reader = try ImageReader(file: File.regular(FilePath(image.layers[1].path)))
        #expect(try reader.lookup([Array("b".utf8)]) != nil)

        let before = try registry.requests().count
        let again = try await fixture.pull(name, alias: "localhost/app")
        #expect(again.pulled?.isUnchanged == true && again.digest == image.digest)
        #expect(try registry.requests().dropFirst(before) == ["HEAD /v2/team/app/manifests/1 200"])

        let foreign = try await fixture.pull(name, platform: Platform("s390x"))
        #expect(foreign.digest == other.digest)
        // The layer is there already.
        #expect(foreign.pulled?.bytesFetched == 0 && foreign.pulled?.bytesAdded == 0)
    }

    @Test("Docker's schema 2 is pulled as well")
    func schema2() async throws {
        let layout = try TestLayout()
        let gzip = try await TestLayout.Layer.gzip(tar(["a": "a"]))
        let layer = TestLayout.Layer(bytes: gzip.bytes, diffID: gzip.diffID, mediaType: .dockerLayerGzip)
        let manifest = try layout.image(
            [layer],
            mediaType: .dockerManifest,
            configType: .dockerConfig,
            tag: "1"
        )
        let registry = try await FaultyRegistry(layout)
        let image = try await PullFixture().pull("\(registry.host)/a:1")
        #expect(image.digest == manifest.digest && image.layers.count == 1)
    }

    @Test("a moved tag is followed, and of the new image only what is not there is fetched")
    func movedTag() async throws {
        let layout = try TestLayout()
        let base = try await TestLayout.Layer.gzip(tar(["base": "1"]))
        let recompressed = try await TestLayout.Layer.zstd(tar(["base": "1"]))
        _ = try layout.image([base], tag: "1")
        let registry = try await FaultyRegistry(layout)
        let fixture = try PullFixture()
        let name = "\(registry.host)/a:1"
        let first = try await fixture.pull(name, source: .queue(name))
        let top = try await TestLayout.Layer.gzip(tar(["top": "2"]))
        _ = try layout.image([recompressed, top], tag: "1")
        let second = try await fixture.pull(name, source: .queue(name))
        #expect(second.digest != first.digest && second.pulled?.bytesFetched == UInt64(top.bytes.count))
        // A source means one image.
        #expect(try await fixture.store.image(first.digest)?.pins == [])
        #expect(try await fixture.store.image(reference: name)?.record.digest == second.digest)
        let third = try await fixture.pull(name, policy: .ifNotPresent, source: .queue(name))
        #expect(third.pulled?.isUnchanged == true && third.pulled?.resolved == nil)
    }

    @Test("what is there is not asked for where the policy says so, and pull=never asks nobody")
    func policies() async throws {
        let layout = try TestLayout()
        let manifest = try layout.image([.plain(tar(["a": "a"]))], tag: "1")
        let registry = try await FaultyRegistry(layout)
        let fixture = try PullFixture()
        let name = "\(registry.host)/a:1"
        let never = await fixture.failure(name, policy: .never)
        #expect(never?.code == .notFound && never?.isTransient == true)
        #expect(try registry.requests().isEmpty)
        try await fixture.pull(name, policy: .ifNotPresent)
        let count = try registry.requests().count
        // Another source claims what is there.
        let claimed = try await fixture.pull(name, policy: .never, source: .queue(name))
        #expect(claimed.pins.contains(.queue(name)) && claimed.pulled?.isUnchanged == false)
        let digest = "\(registry.host)/a@\(manifest.digest)"
        let byDigest = try await fixture.pull(digest, source: .queue(digest))
        #expect(byDigest.digest == manifest.digest && byDigest.references.contains(digest))
        #expect(try registry.requests().count == count)
        // For another platform it is not there.
        let request = PullRequest(
            try Reference(parsing: name),
            platform: Platform("s390x"),
            policy: .never,
            source: .hand
        )
        await #expect(throws: ImageError.self) {
            try await fixture.backend.pull(request, tracker: SilentTracker())
        }
    }

    @Test("an image whose blob was lost is pulled again")
    func lostBlob() async throws {
        let layout = try TestLayout()
        _ = try layout.image([.plain(tar(["a": "a"])), .plain(tar(["b": "b"]))], tag: "1")
        let registry = try await FaultyRegistry(layout)
        let fixture = try PullFixture()
        let image = try await fixture.pull("\(registry.host)/a:1")
        try Directory.unlink(FilePath(image.layers[1].path))
        let again = try await fixture.pull("\(registry.host)/a:1", policy: .ifNotPresent)
        #expect(again.digest == image.digest)
        #expect(try FileStatus.of(FilePath(image.layers[1].path)) != nil)
        #expect(try registry.fetches()[layout.digest(of: tar(["a": "a"]))] == 1)
    }

    @Test("many layers come in the order of the manifest, each distinct one fetched once")
    func manyLayers() async throws {
        let layout = try TestLayout()
        let tars = (0..<60).map { tar(["file\($0 % 50)": "\($0 % 50)"]) }
        _ = try layout.image(tars.map { .plain($0) }, tag: "1")
        let registry = try await FaultyRegistry(layout)
        let image = try await PullFixture().pull("\(registry.host)/a:1")
        #expect(image.layers.map(\.diffID) == tars.map { Digest.sha256(of: $0) })
        // 50 layers and the config.
        let fetches = try registry.fetches()
        #expect(fetches.count == 51 && fetches.values.allSatisfy { $0 == 1 })
    }

    @Test("a native EROFS layer is taken as it is, compressed for the way or not", arguments: [false, true])
    func nativeLayer(isCompressed: Bool) async throws {
        let source = try PullFixture()
        let layout = try TestLayout()
        _ = try layout.image(
            [.plain(tar(["boot/vmlinuz": "k", "boot/initrd.img": "i", "a": "a"]))],
            tag: "tar"
        )
        let registry = try await FaultyRegistry(layout)
        let made = try await source.pull("\(registry.host)/a:tar")
        let bytes = try AtomicFile.read(FilePath(made.layers[0].path)) ?? []
        let native = try await TestLayout.Layer.native(bytes, isCompressed: isCompressed)
        _ = try layout.image([native], tag: "native")

        let fixture = try PullFixture()
        let image = try await fixture.pull("\(registry.host)/a:native")
        #expect(image.layers.map(\.diffID) == [Digest.sha256(of: bytes)])
        #expect(try AtomicFile.read(FilePath(image.layers[0].path)) == bytes)
        #expect(image.kernel != nil && image.initrd != nil)
        #expect(try await fixture.store.verifyBlobs().isEmpty)
    }

    @Test("a native EROFS layer that is not sound is refused")
    func hostileNativeLayer() async throws {
        let layout = try TestLayout()
        _ = try layout.image([.plain(tar(["dir/a": "a"]))], tag: "tar")
        let registry = try await FaultyRegistry(layout)
        let fixture = try PullFixture()
        let made = try await fixture.pull("\(registry.host)/a:tar")
        var bytes = try AtomicFile.read(FilePath(made.layers[0].path)) ?? []
        // The first inode lies behind the superblock; without its checksum the image could not even be opened.
        bytes[1024 + 4] ^= 0xFF
        _ = try layout.image([try await .native(bytes, isCompressed: false)], tag: "native")
        let failure = await fixture.failure("\(registry.host)/a:native")
        #expect(failure?.isTransient == false, "\(String(describing: failure))")
        #expect(try fixture.partials().isEmpty && fixture.workspaces().isEmpty)
    }
}

extension TestLayout {
    /// The digest of a blob, as paths name it.
    func digest(of bytes: [UInt8]) -> String { Digest.sha256(of: bytes).description }
}

extension TestLayout.Layer {
    /// An EROFS image as a layer.
    static func native(_ image: [UInt8], isCompressed: Bool) async throws -> Self {
        guard isCompressed else {
            return Self(bytes: image, diffID: .sha256(of: image), mediaType: .erofsLayer)
        }
        let zstd = try await zstd(image)
        return Self(bytes: zstd.bytes, diffID: zstd.diffID, mediaType: .erofsLayerZstd)
    }
}
