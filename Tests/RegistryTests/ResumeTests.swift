import Archives
import Host
import OCI
import SystemPackage
import TestSupport
import Testing

@testable import Registry

@Suite("Downloads that are taken up again", .serialized)
struct ResumeTests {
    private let folder: TemporaryDirectory
    private let layout: TestLayout
    private let layer: TestLayout.Layer

    init() throws {
        folder = try TemporaryDirectory("resume")
        layout = try TestLayout()
        layer = .plain(noisyTar(300_000))
        _ = try layout.image([layer], tag: "v1")
    }

    private func partial(_ bytes: some Collection<UInt8>) throws -> File {
        try File(try folder.write(bytes, to: layer.diffID.hex), .readWrite)
    }

    private func download(_ registry: FaultyRegistry, _ partial: File) async throws -> BlobDownload {
        let client = try makeClient()
        let image = try await client.resolve(try reference("\(registry.host)/lab/app:v1"))
        return try await client.download(image.layers[0], of: image.reference, partial: partial)
    }

    private func ranges(_ registry: FaultyRegistry) throws -> [String?] {
        try registry.requests().filter { $0.path.contains("\(layer.diffID)") }.map(\.range)
    }

    @Test("everything that arrives is kept beside")
    func kept() async throws {
        let registry = try await FaultyRegistry(layout)
        let file = try partial([])
        let download = try await download(registry, file)
        #expect(try await download.everything() == layer.bytes)
        #expect(download.resumedBytes == 0)
        #expect(try AtomicFile.read(file.path) == layer.bytes)
    }

    @Test("what an earlier try left is read first, and only the rest is fetched")
    func resumed() async throws {
        let registry = try await FaultyRegistry(layout)
        let file = try partial(layer.bytes.prefix(123_456))
        let download = try await download(registry, file)
        #expect(try await download.everything(chunk: 1000) == layer.bytes)
        #expect(download.resumedBytes == 123_456)
        #expect(try ranges(registry) == ["bytes=123456-\(layer.bytes.count - 1)"])
        #expect(try AtomicFile.read(file.path) == layer.bytes)
    }

    @Test("what an earlier try completed is not asked for")
    func complete() async throws {
        let registry = try await FaultyRegistry(layout)
        let download = try await download(registry, try partial(layer.bytes))
        #expect(try await download.everything() == layer.bytes)
        #expect(try ranges(registry).isEmpty)
    }

    @Test(
        "a registry that ignores ranges sends all of it, of which the reader gets the rest",
        arguments: ["ignoreRange", "lieRange", "noRange"]
    )
    func withoutRanges(_ kind: String) async throws {
        let registry = try await FaultyRegistry(layout, [.init(kind, path: "\(layer.diffID)", times: 2)])
        let download = try await download(registry, try partial(layer.bytes.prefix(1000)))
        #expect(try await download.everything() == layer.bytes)
    }

    @Test("a file longer than the blob is the beginning of something else")
    func tooLong() async throws {
        let registry = try await FaultyRegistry(layout)
        let file = try partial(layer.bytes + [0])
        #expect(try await download(registry, file).everything() == layer.bytes)
        #expect(try AtomicFile.read(file.path) == layer.bytes)
    }

    @Test("wrong bytes from an earlier try are thrown away, and the next try is clean")
    func wrong() async throws {
        let registry = try await FaultyRegistry(layout)
        let file = try partial(Array(repeating: 7, count: 5000))
        let first = try await download(registry, file)
        await #expect(throws: ArchiveError.self) { try await first.everything() }
        #expect(first.failure?.code == .digestMismatch && first.failure?.isTransient == true)
        #expect(try file.status().size == 0)
        #expect(try await download(registry, file).everything() == layer.bytes)
    }

    @Test("what came before an error is kept for the next try")
    func failed() async throws {
        let registry = try await FaultyRegistry(
            layout,
            [
                .init("reset", path: "\(layer.diffID)", at: 100_000),
                .init("status", path: "\(layer.diffID)", at: 403),
            ]
        )
        let file = try partial([])
        let first = try await download(registry, file)
        await #expect(throws: ArchiveError.self) { try await first.everything() }
        #expect(first.failure?.code == .forbidden)
        #expect(try file.status().size == 100_000)
        #expect(try await download(registry, file).everything() == layer.bytes)
        #expect(try ranges(registry).last == "bytes=100000-\(layer.bytes.count - 1)")
    }

    @Test("an empty blob needs nobody")
    func empty() async throws {
        let registry = try await FaultyRegistry(layout)
        let descriptor = Descriptor(mediaType: .ociLayer, digest: .sha256(of: []), size: 0)
        let layer = RemoteLayer(descriptor: descriptor, diffID: descriptor.digest, kind: .tar(.none))
        let client = try makeClient()
        let download = try await client.download(layer, of: try reference("\(registry.host)/lab/app:v1"))
        #expect(try await download.everything() == [])
        #expect(try registry.requests().isEmpty)
    }

    @Test("a full disk ends the download with what the kernel says")
    func fullDisk() async throws {
        let disk = try KernelMount.tmpfs(size: 64 << 10)
        let registry = try await FaultyRegistry(layout)
        let file = try File(disk.path.appending("partial"), .readWrite, options: .create)
        let download = try await download(registry, file)
        await #expect(throws: ArchiveError.self) { try await download.everything() }
        #expect(download.failure?.code == .io && download.failure?.isTransient == true)
        #expect(download.failure?.message.contains("No space left on device") == true)
    }
}
