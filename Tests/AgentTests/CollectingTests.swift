import GarbageCollection
import Host
import ImageBackend
import Logging
import OCI
import Synchronization
import SystemPackage
import TestSupport
import Testing

@testable import Agent
@testable import Store

@Suite("Collecting in passes")
struct CollectingTests {
    let host: CollectingHost
    var store: Store { host.store }

    init() async throws { host = try await CollectingHost() }

    @Test("is done at first, and not again while nothing changes")
    func quiet() async throws {
        #expect(try await host.pass().report?.candidates == [])
        for _ in 0..<3 { #expect(try await host.pass().report == nil) }
    }

    @Test("takes what only time makes garbage once its time has come, and says when that is")
    func deadline() async throws {
        let image = try await host.image("web")
        try await host.settle()
        #expect(try await host.pass().report == nil)
        try await store.unpin(image.digest, by: .hand)
        try await host.settle()
        host.clock.advance(.seconds(50))
        let waiting = try await host.pass()
        #expect(waiting.report == nil)
        let now = try await store.tick()
        let left = try #require(waiting.due) - now
        #expect(left > .seconds(5) && left <= .seconds(10))
        host.clock.advance(left)
        #expect(try await host.pass().report?.collected.map(\.candidate.kind) == ["image", "blob"])
        #expect(try await store.images().isEmpty)
    }

    @Test("follows what another process commits")
    func otherProcess() async throws {
        let image = try await host.image("web")
        try await host.settle()
        #expect(try await host.pass().report == nil)
        let other = try host.otherProcess()
        #expect(try await other.removeImage(image.digest))
        #expect(try await host.pass().report?.collected.map(\.candidate.kind) == ["blob"])
    }

    @Test("takes what a process had leased that was killed, of which no row tells")
    func lease() async throws {
        try await host.settle()
        let other = try host.otherProcess()
        var workspace: Workspace? = try await other.openWorkspace("killed")
        if let workspace { try await host.blob("half", in: workspace, of: other) }
        host.clock.advance(CollectingHost.unpinnedTTL)
        for _ in 0..<3 {
            let report = try #require(try await host.pass().report)
            #expect(report.candidates.isEmpty)
        }
        // Its lock and its folder go with it, its rows stay.
        workspace = nil
        #expect(try Directory.names(in: store.layout.temp).isEmpty)
        #expect(try await host.pass().report?.collected.map(\.candidate.kind) == ["blob"])
    }

    @Test("takes a folder of work whose owner was killed before it had a row")
    func deadWorkspace() async throws {
        try await host.settle()
        let folder = store.layout.temp.appending("killed-1-x")
        try Directory.create(folder)
        try AtomicFile.write([1], to: folder.appending("blob"))
        #expect(try await host.pass().report?.collected.map(\.candidate.kind) == ["temp"])
        try await host.settle()
        #expect(try await host.pass().report == nil)
    }

    @Test("tries again in each pass what a hypervisor holds")
    func held() async throws {
        let image = try await host.image("web")
        try await host.settle()
        let disk = try File(store.layout.blob(image.layers[0].key), .readOnly)
        #expect(try disk.tryLock(exclusive: false))
        #expect(try await store.removeImage(image.digest))
        for _ in 0..<3 {
            let report = try #require(try await host.pass().report)
            #expect(report.candidates.map(\.kind) == ["blob"])
            #expect(report.collected.isEmpty)
        }
        try disk.unlock()
        #expect(try await host.pass().report?.collected.count == 1)
    }

    @Test("takes a download that nobody resumed")
    func download() async throws {
        let partial = store.layout.partial.appending(Digest.sha256(of: "layer".utf8).hex)
        try AtomicFile.write([1], to: partial)
        try await host.settle()
        host.clock.advance(.seconds(24 * 3600))
        #expect(try await host.pass().report?.collected.map(\.candidate.kind) == ["partial"])
        #expect(try FileStatus.of(partial) == nil)
    }

    @Test("is done when space becomes short, but not again while it stays so and nothing could be taken")
    func shortage() async throws {
        try await host.settle()
        host.shortage.set(true)
        #expect(try await host.pass().report?.candidates == [])
        for _ in 0..<3 { #expect(try await host.pass().report == nil) }
        host.shortage.set(false)
        #expect(try await host.pass().report == nil)
        host.shortage.set(true)
        #expect(try await host.pass().report == nil, "the last one was done while space was short")
    }

    @Test("is done every hour whatever happens: a file put into the store by hand changes no row")
    func hourly() async throws {
        try await host.settle()
        let orphan = store.layout.blob(LayerKey(diffID: .sha256(of: "by hand".utf8)))
        try Directory.create(orphan.removingLastComponent())
        try AtomicFile.write([1], to: orphan)
        host.clock.advance(Collecting.interval - .seconds(1))
        #expect(try await host.pass().report == nil)
        host.clock.advance(.seconds(1))
        #expect(try await host.pass().report?.collected.map(\.candidate.kind) == ["blob"])
    }
}

/// Whether space is short, as the test says.
final class Shortage: Sendable {
    private let state = Mutex(false)

    var isThere: Bool { state.withLock { $0 } }

    func set(_ isThere: Bool) { state.withLock { $0 = isThere } }
}

/// A store whose time the test makes, and what collects in it.
final class CollectingHost: Sendable {
    static let unpinnedTTL = Duration.seconds(60)

    let folder: TemporaryDirectory
    let clock = BootTime()
    let store: Store
    let collecting: Collecting
    let shortage = Shortage()

    init() async throws {
        folder = try TemporaryDirectory("collecting")
        store = try Store(layout: StoreLayout(root: folder.appending("store"))) { [clock] in clock.now }
        let images = OCIBackend(
            config: OCIBackend.Config(store: store.layout, unpinnedTTL: Self.unpinnedTTL),
            store: store,
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        )
        let orchestrator = Orchestrator()
        await images.registerGC(orchestrator)
        collecting = Collecting(store, orchestrator) { [shortage] in shortage.isThere }
    }

    func otherProcess() throws -> Store { try Store(layout: store.layout) { [clock] in clock.now } }

    /// What a pass does.
    func pass() async throws -> CollectionOutcome { try await collecting.pass(now: try await store.tick()) }

    /// Passes until one finds nothing.
    func settle() async throws { while let report = try await pass().report, !report.candidates.isEmpty {} }

    /// Commits an image of one layer, pinned by hand.
    func image(_ word: String) async throws -> ImageRecord {
        let workspace = try await store.openWorkspace("test")
        let key = try await blob(word, in: workspace, of: store)
        let record = ImageRecord(
            digest: .sha256(of: "manifest \(word)".utf8),
            manifest: "{}",
            configDigest: .sha256(of: "config \(word)".utf8),
            config: "{}",
            indexDigests: [],
            platform: "linux/amd64",
            layers: [.init(key: key, digest: key.diffID, size: 10)],
            created: nil
        )
        try await store.commitImage(record, references: [], source: .hand, replacing: false)
        await workspace.close()
        return record
    }

    @discardableResult
    func blob(_ word: String, in workspace: Workspace, of store: Store) async throws -> LayerKey {
        let content = Array("the layer \(word)".utf8)
        let file = workspace.path.appending("blob")
        try AtomicFile.write(content, to: file)
        let record = BlobRecord(
            key: LayerKey(diffID: .sha256(of: word.utf8)),
            sha256: .sha256(of: content),
            size: UInt64(content.count),
            tarSize: 1024,
            entries: 1,
            hasOpaqueRoot: false,
            minimumGuestKernel: "5.4",
            writer: "test",
            options: "none",
            boot: BootListing()
        )
        _ = try await store.commitBlob(record, file: file, bootDirectory: nil, compressed: nil, in: workspace)
        return record.key
    }
}

/// The machine's clock in the test's hand.
final class BootTime: Sendable {
    private let nanoseconds = Mutex<Int64>(1_000_000_000)

    var now: BootClock { BootClock(bootID: "boot", nanoseconds: nanoseconds.withLock(\.self)) }

    func advance(_ duration: Duration) {
        nanoseconds.withLock { $0 = (StoreTime(nanoseconds: $0) + duration).nanoseconds }
    }
}
