import Archives
import Host
import OCI
import TestSupport
import Testing

@testable import Registry

@Suite("Against a registry that misbehaves", .serialized)
struct FaultTests {
    private let layout: TestLayout
    private let layer: TestLayout.Layer
    private let digest: Digest

    init() throws {
        layout = try TestLayout()
        layer = .plain(noisyTar(400_000))
        digest = try layout.image([layer], tag: "v1").digest
    }

    private func start(_ faults: [FaultyRegistry.Fault], access: String = "") async throws -> FaultyRegistry {
        try await FaultyRegistry(layout, faults, access: access)
    }

    /// Resolves, then fetches the layer.
    private func pull(_ registry: FaultyRegistry, _ client: RegistryClient? = nil) async throws -> [UInt8] {
        let client = try client ?? makeClient()
        let image = try await client.resolve(try reference("\(registry.host)/lab/app:v1"))
        return try await client.layers(of: image)[0]
    }

    private var blobPath: String { "blobs/\(layer.diffID)" }

    @Test(
        "a body that breaks off is taken up where it broke, again and again",
        arguments: ["cut", "reset", "stall"]
    )
    func brokenBody(_ kind: String) async throws {
        let registry = try await start([
            .init(kind, path: blobPath, at: 100_000), .init(kind, path: blobPath, skip: 0, at: 100_000),
        ])
        let client = try makeClient { $0.stallTimeout = .seconds(1) }
        #expect(try await pull(registry, client) == layer.bytes)
        let ranges = try registry.requests().filter { $0.path.contains(blobPath) }.map(\.range)
        let last = layer.bytes.count - 1
        #expect(ranges == [nil, "bytes=100000-\(last)", "bytes=200000-\(last)"])
    }

    @Test("as long as bytes come nobody gives up, however often it breaks")
    func muchBroken() async throws {
        let registry = try await start([.init("reset", path: blobPath, times: 12, at: 30_000)])
        #expect(try await pull(registry) == layer.bytes)
    }

    @Test("a body that never gets anywhere is given up as a passing trouble")
    func neverComes() async throws {
        let registry = try await start([.init("reset", path: blobPath, times: nil, at: 0)])
        let error = await registryError { try await readFailing(registry) }
        #expect(error?.code == .unreachable && error?.isTransient == true)
        #expect(try registry.requests().filter { $0.path.contains(blobPath) }.count == 4)
    }

    /// Reads the layer to its error, as the download has it.
    private func readFailing(_ registry: FaultyRegistry) async throws -> Int {
        let client = try makeClient()
        let image = try await client.resolve(try reference("\(registry.host)/lab/app:v1"))
        let download = try await client.download(image.layers[0], of: image.reference)
        do { return try await download.everything().count } catch {
            let archiveError = try #require(error as? ArchiveError)
            let failure = try #require(download.failure)
            #expect(archiveError.message == failure.message)
            #expect(archiveError.isTransient == failure.isTransient)
            throw failure
        }
    }

    @Test(
        "a server that does not play along with ranges sends everything again, and nothing comes twice",
        arguments: ["ignoreRange", "lieRange", "noRange"]
    )
    func badRanges(_ kind: String) async throws {
        let registry = try await start([
            .init("reset", path: blobPath, at: 150_000), .init(kind, path: blobPath),
        ])
        #expect(try await pull(registry) == layer.bytes)
    }

    @Test("other bytes than the digest promises are not taken for the blob")
    func corrupt() async throws {
        let registry = try await start([.init("corrupt", path: blobPath, times: nil, at: 399_999)])
        let error = await registryError { try await readFailing(registry) }
        #expect(error?.code == .digestMismatch && error?.isTransient == false)
        #expect(error?.message.contains("\(layer.diffID)") == true)
    }

    @Test("a blob of another length is refused before it is read", arguments: [399_999, 1 << 40])
    func wrongLength(_ length: Int) async throws {
        let registry = try await start([.init("length", path: blobPath, times: nil, at: length)])
        let error = await registryError { try await readFailing(registry) }
        #expect(error?.code == .sizeMismatch && error?.isTransient == false)
    }

    @Test("a blob that goes on after its end is refused", arguments: [1, 1_000_000])
    func longer(_ excess: Int) async throws {
        let registry = try await start([.init("longer", path: blobPath, times: nil, at: excess)])
        let error = await registryError { try await readFailing(registry) }
        #expect(error?.code == .sizeMismatch && error?.isTransient == false)
    }

    @Test("Retry-After is obeyed in both its forms")
    func tooManyRequests() async throws {
        let date = "Tue, 14 Nov 2023 22:13:27 GMT"
        let registry = try await start([
            .init("status", path: "manifests", at: 429, value: "3"),
            .init("status", path: "manifests", at: 503, value: date),
            .init("status", path: blobPath, at: 429, value: "2"),
        ])
        let clock = TestClock()
        let client = try makeClient { $0.time = clock.source }
        #expect(try await pull(registry, client) == layer.bytes)
        #expect(clock.waits == [.seconds(3), .seconds(7), .seconds(2)])
    }

    @Test("a long Retry-After is left to the caller")
    func patience() async throws {
        let registry = try await start([.init("status", path: "manifests", times: nil, at: 429, value: "600")]
        )
        let clock = TestClock()
        let client = try makeClient { $0.time = clock.source }
        let error = await registryError { try await pull(registry, client) }
        #expect(error?.code == .rateLimited && error?.isTransient == true)
        #expect(error?.retryAfter == .seconds(600))
        #expect(clock.waits.isEmpty)
    }

    @Test(
        "statuses have their codes, and only passing trouble is tried again",
        arguments: [
            (401, RegistryError.Code.unauthorized, 1), (403, .forbidden, 1), (404, .notFound, 1),
            (429, .rateLimited, 4), (500, .unavailable, 4), (502, .unavailable, 4), (418, .unavailable, 1),
        ]
    )
    func statuses(_ status: Int, _ code: RegistryError.Code, _ tries: Int) async throws {
        let registry = try await start([.init("status", path: "manifests", times: nil, at: status)])
        let error = await registryError { try await pull(registry) }
        #expect(error?.code == code && error?.isTransient == (tries > 1))
        #expect(error?.message.contains("\(registry.host)/lab/app:v1") == true)
        #expect(error?.message.contains("the tests want it so") == true)
        #expect(try registry.requests().count == tries)
    }

    @Test("a token that runs out in the middle of a pull is replaced without anybody noticing")
    func expiringToken() async throws {
        let registry = try await start(
            [.init("reset", path: blobPath, times: 5, at: 50_000)],
            access: "bearer:2"
        )
        #expect(try await pull(registry) == layer.bytes)
        #expect(try registry.requests().filter { $0.path.hasPrefix("/token") }.count >= 3)
    }

    @Test("a redirect to another host takes no credentials along")
    func redirect() async throws {
        let storage = try await start([])
        let elsewhere = storage.host.replacing("127.0.0.1", with: "localhost")
        let registry = try await start(
            [.init("redirect", path: "blobs", times: nil, value: "http://\(elsewhere)")],
            access: "basic:bob:secret"
        )
        let folder = try TemporaryDirectory("redirect")
        let client = try makeClient(
            registries: """
                configs:
                  "\(registry.host)": { auth: { username: bob, password: secret } }
                  "\(elsewhere)": { auth: { username: bob, password: other } }
                """,
            in: folder
        )
        #expect(try await pull(registry, client) == layer.bytes)
        let seen = try storage.requests()
        #expect(seen.count == 2)
        #expect(seen.allSatisfy { $0.authorization == nil && $0.host == elsewhere })
        #expect(try registry.requests().contains { $0.authorization != nil })
    }

    @Test("redirects end somewhere")
    func redirectLoop() async throws {
        let registry = try await start([.init("redirect", path: "manifests", times: nil)])
        let error = await registryError { try await pull(registry) }
        #expect(error?.code == .unavailable)
        #expect(error?.message.contains("redirects more than") == true)
    }

    @Test("a registry that does not say digests is believed what they come to")
    func noDigest() async throws {
        let registry = try await start([.init("noDigest", path: "manifests", times: nil)])
        #expect(try await pull(registry) == layer.bytes)
        #expect(try await makeClient().digest(of: try reference("\(registry.host)/lab/app:v1")) == digest)
    }

    @Test("a registry that does not know HEAD is asked by GET")
    func noHead() async throws {
        let registry = try await start([
            .init("status", path: "manifests", method: "HEAD", times: nil, at: 405)
        ])
        #expect(try await makeClient().digest(of: try reference("\(registry.host)/lab/app:v1")) == digest)
    }

    @Test("a manifest that is not what its digest says is refused", arguments: ["wrongDigest", "corrupt"])
    func wrongManifest(_ kind: String) async throws {
        let registry = try await start([.init(kind, path: "manifests", times: nil, at: 3)])
        let error = await registryError { try await pull(registry) }
        #expect(error?.code == .digestMismatch)
    }

    @Test("a manifest without end stops at the limit")
    func endless() async throws {
        let registry = try await start([.init("endless", path: "manifests", times: nil)])
        let error = await registryError { try await pull(registry) }
        #expect(error?.code == .limitExceeded && error?.isTransient == false)
    }

    @Test("a config longer than promised stops there")
    func longConfig() async throws {
        let registry = try await start([.init("endless", path: "blobs", times: nil)])
        let error = await registryError { try await pull(registry) }
        #expect(error?.code == .sizeMismatch)
    }

    @Test("interim responses are passed over")
    func interim() async throws {
        let registry = try await start([.init("interrupt", path: ".", times: nil)])
        #expect(try await pull(registry) == layer.bytes)
    }

    /// Ranges as soon as they may be, and small ones.
    private func makeRangedClient() throws -> RegistryClient {
        try makeClient {
            $0.bufferBytes = 1 << 20
            $0.ranges = RangePolicy(
                patience: .milliseconds(100),
                minimumRest: 50_000,
                rangeBytes: 30_000,
                connections: 4,
                blobs: 1
            )
        }
    }

    private func ranges(_ registry: FaultyRegistry) throws -> [String] {
        try registry.requests().filter { $0.path.contains(blobPath) }.compactMap(\.range)
    }

    @Test("where one connection is slow, the rest comes in ranges at once")
    func ranged() async throws {
        let registry = try await start([.init("slow", path: blobPath, times: nil, at: 200_000)])
        let client = try makeRangedClient()
        // Twice: the place among those that are split was given back.
        for turn in 1...2 {
            #expect(try await pull(registry, client) == layer.bytes)
            #expect(try ranges(registry).count >= 5 * turn)
        }
    }

    @Test("a reader that is slower than the connection gets one stream")
    func notRanged() async throws {
        let registry = try await start([])
        let client = try makeClient {
            $0.bufferBytes = 64 << 10
            $0.ranges = RangePolicy(patience: .milliseconds(200), minimumRest: 1, rangeBytes: 30_000)
        }
        let image = try await client.resolve(try reference("\(registry.host)/lab/app:v1"))
        let download = try await client.download(image.layers[0], of: image.reference)
        try await Task.sleep(for: .milliseconds(500))
        #expect(try await download.everything() == layer.bytes)
        #expect(try ranges(registry).isEmpty)
    }

    @Test(
        "ranges that break, lie or are not given end in one stream",
        arguments: ["reset", "cut", "ignoreRange", "lieRange", "noRange"]
    )
    func brokenRanges(_ kind: String) async throws {
        let registry = try await start([
            .init("slow", path: blobPath, at: 200_000),
            .init(kind, path: blobPath, skip: 2, times: 1, at: 10_000),
        ])
        #expect(try await pull(registry, try makeRangedClient()) == layer.bytes)
    }

    @Test("ranges are asked of where a redirect led, without credentials")
    func redirectedRanges() async throws {
        let storage = try await start([.init("slow", path: blobPath, times: nil, at: 200_000)])
        let registry = try await start(
            [.init("redirect", path: blobPath, times: nil, value: "http://\(storage.host)")],
            access: "bearer:100"
        )
        #expect(try await pull(registry, try makeRangedClient()) == layer.bytes)
        #expect(try ranges(storage).count >= 5)
        #expect(try storage.requests().allSatisfy { $0.authorization == nil })
        #expect(try registry.requests().filter { $0.path.contains(blobPath) }.count <= 6)
    }

    @Test("a reader that rests makes the registry rest, and that is no stall")
    func backpressure() async throws {
        let registry = try await start([])
        let client = try makeClient {
            $0.bufferBytes = 64 << 10
            $0.stallTimeout = .seconds(1)
        }
        let image = try await client.resolve(try reference("\(registry.host)/lab/app:v1"))
        let download = try await client.download(image.layers[0], of: image.reference)
        // Longer than the stall time-out, at the start and in the middle.
        try await Task.sleep(for: .seconds(2))
        let first = try await onThread(named: "reader") { _ in
            var buffer = [UInt8](repeating: 0, count: 10_000)
            return try buffer.withUnsafeMutableBytes { try download.read(into: $0) }
        }
        try await Task.sleep(for: .seconds(2))
        let rest = try await download.everything()
        #expect(rest == Array(layer.bytes.dropFirst(first)))
        #expect(try registry.requests().filter { $0.path.contains(blobPath) }.count == 1)
    }

    @Test("a download that is cancelled ends at once, and gives its place back")
    func cancelled() async throws {
        let registry = try await start([.init("stall", path: blobPath, at: 1000)])
        let client = try makeClient {
            $0.downloads = 1
            $0.stallTimeout = .seconds(30)
        }
        let image = try await client.resolve(try reference("\(registry.host)/lab/app:v1"))
        let download = try await client.download(image.layers[0], of: image.reference)
        let reading = Task { try await download.everything() }
        try await Task.sleep(for: .milliseconds(300))
        download.cancel()
        let error = await #expect(throws: ArchiveError.self) { try await reading.value }
        #expect(error?.code == .cancelled)
        #expect(try await client.layers(of: image)[0] == layer.bytes)
    }

    @Test("a machine without a network says so at once, and reaches itself all the same")
    func offline() async throws {
        let registry = try await start([])
        let client = try makeClient { $0.hasNetwork = { false } }
        #expect(try await pull(registry, client) == layer.bytes)
        let start = MonotonicTime.now()
        let error = await registryError { try await client.resolve(try reference("registry.example/a")) }
        #expect(error?.code == .offline && error?.isTransient == true)
        #expect(MonotonicTime.now() - start < 5_000_000_000)
    }

    @Test("images of this host are never asked for")
    func local() async throws {
        let error = await registryError { try await makeClient().resolve(try reference("localhost/web")) }
        #expect(error?.code == .unsupported)
    }

    @Test("nobody listening is told at once")
    func refusedConnection() async throws {
        let registry = try await start([])
        registry.stop()
        let clock = TestClock()
        let client = try makeClient { $0.time = clock.source }
        let error = await registryError { try await pull(registry, client) }
        #expect(error?.code == .unreachable && error?.isTransient == true)
        #expect(clock.waits.isEmpty)
    }
}
