import Host
import ImageBackend
import Ingest
import Logging
import OCI
import SystemPackage
import TestSupport

@testable import Store

/// A queue on a real file and a real store, with a backend that pulls from a table. The store's time stands still: tests
/// say when a pass is.
final class QueueFixture: Sendable {
    let folder: TemporaryDirectory
    let store: Store
    let images: StubImages
    let queue: Queue
    let log: LogLines
    private let changes: AsyncStream<Void>

    /// - Parameter base: the fixture whose files, store and registry are used again, as by a process that starts anew.
    init(again base: QueueFixture? = nil, _ configure: (inout QueueSettings) -> Void = { _ in }) throws {
        folder = try base?.folder ?? TemporaryDirectory("queue")
        store = try Store(layout: StoreLayout(root: folder.appending("store")), clock: { .standing })
        images = base?.images ?? StubImages(store: store)
        var settings = QueueSettings(
            path: folder.appending("queue"),
            settle: .zero,
            receipts: folder.appending("receipts/queue")
        )
        configure(&settings)
        let lines = LogLines()
        log = lines
        let (stream, continuation) = AsyncStream.makeStream(
            of: Void.self,
            bufferingPolicy: .bufferingNewest(1)
        )
        changes = stream
        queue = Queue(
            settings: settings,
            store: store,
            images: images,
            logger: Logger(label: "test") { _ in LineHandler(lines: lines) },
            onChange: { continuation.yield() }
        )
    }

    /// Replaces the file.
    func write(_ lines: String...) throws {
        try folder.write(lines.map { "\($0)\n" }.joined(), to: "queue.new")
        try Directory.rename(folder.appending("queue.new"), to: queue.settings.path)
    }

    /// One pass, as if so much time had gone by on the store's clock.
    @discardableResult
    func pass(after time: Duration = .zero) async throws -> QueuePlan {
        try await pass(at: try await store.tick() + time)
    }

    /// One pass, as if it were this time on the store's clock.
    @discardableResult
    func pass(at time: StoreTime) async throws -> QueuePlan {
        let plan = Queue.plan(try await queue.observe(now: time))
        await queue.apply(plan)
        return plan
    }

    /// Passes until nothing runs, waits for its turn, or waits to be seen. Each is as if time had gone by.
    func run(after time: Duration = .zero) async throws {
        try await pass(after: time)
        while true {
            let activity = await queue.activity
            if activity.running + activity.queued == 0 && !activity.needsPass {
                // A program that another test starts holds this test's files open between its fork and its exec.
                guard activity.isSettling && queue.settings.settle == .zero else {
                    return await queue.flushReceipts()
                }
            } else {
                for await _ in changes { break }
            }
            try await pass(after: time)
        }
    }

    /// Passes until the first pull of a reference has ended, and no more: however slow the machine is, its backoff is not
    /// over by then.
    func tryOnce(_ reference: String) async throws {
        while images.pulled.isEmpty { try await pass() }
        try await idle()
    }

    /// Waits until nothing runs.
    func idle() async throws {
        while await queue.activity.running > 0 { try await Task.sleep(for: .milliseconds(2)) }
    }

    /// What is remembered of a line.
    func record(_ reference: String) async throws -> SourceRecord? {
        try await store.sources().first { $0.source == .queue(reference) }
    }

    /// The receipt, as written to disk.
    func receipt(_ reference: String) async throws -> Receipt? {
        await queue.flushReceipts()
        return try Receipt.read(queue.settings.receipts.appending(ReceiptName.of(reference)))
    }

    /// The images that a line pins.
    func pins(_ reference: String) async throws -> [Digest] {
        try await store.images().filter { $0.pins.contains(.queue(reference)) }.map(\.record.digest)
    }
}
