import Host
import Ingest
import Logging
import OCI
import Synchronization
import SystemPackage
import TestSupport

@testable import Store

/// An inbox on real files and a real store, with a backend that does as it is told. The store's time stands still: tests
/// say when a pass is.
final class InboxFixture: Sendable {
    let folder: TemporaryDirectory
    let store: Store
    let images: StubImages
    let inbox: Inbox
    let log: LogLines
    private let changes: AsyncStream<Void>

    /// - Parameters:
    ///   - base: the fixture whose files and store are used again, as by a process that starts anew.
    ///   - disk: says how many bytes are free.
    init(
        again base: InboxFixture? = nil,
        disk: Disk = Disk(),
        _ configure: (inout InboxSettings) -> Void = { _ in }
    ) throws {
        folder = try base?.folder ?? TemporaryDirectory("inbox")
        store = try Store(layout: StoreLayout(root: folder.appending("store")), clock: { .standing })
        images = StubImages(store: store)
        try Directory.create(folder.appending("inbox"))
        var settings = InboxSettings(
            path: folder.appending("inbox"),
            settle: .zero,
            receipts: folder.appending("receipts/inbox")
        )
        settings.folderSettle = .zero
        configure(&settings)
        let lines = LogLines()
        log = lines
        let (stream, continuation) = AsyncStream.makeStream(
            of: Void.self,
            bufferingPolicy: .bufferingNewest(1)
        )
        changes = stream
        inbox = Inbox(
            settings: settings,
            store: store,
            images: images,
            logger: Logger(label: "test") { _ in LineHandler(lines: lines) },
            freeBytes: { _ in disk.free.load(ordering: .relaxed) },
            onChange: { continuation.yield() }
        )
    }

    var path: FilePath { inbox.settings.path }

    /// Writes a file into the inbox under a hidden name and renames it into place.
    @discardableResult
    func drop(_ name: String, _ content: String) throws -> FilePath {
        let hidden = try folder.write(content, to: "inbox/.\(name.split(separator: "/").last ?? "").tmp")
        let target = path.appending(FilePath(name).components)
        try Directory.create(target.removingLastComponent())
        try Directory.rename(hidden, to: target)
        return target
    }

    func remove(_ name: String) throws { try Directory.removeTree(path.appending(FilePath(name).components)) }

    /// One pass, as if so much time had gone by on the store's clock.
    @discardableResult
    func pass(after time: Duration = .zero) async throws -> InboxPlan {
        try await pass(at: try await store.tick() + time)
    }

    /// One pass, as if it were this time on the store's clock.
    @discardableResult
    func pass(at time: StoreTime) async throws -> InboxPlan {
        let plan = Inbox.plan(try await inbox.observe(now: time))
        await inbox.apply(plan)
        return plan
    }

    /// Passes until nothing runs, waits for its turn, or waits to be seen. The first is as if time had gone by.
    func run(after time: Duration = .zero) async throws {
        try await pass(after: time)
        while true {
            let activity = await inbox.activity
            if activity.running + activity.queued == 0 && !activity.needsPass {
                // A program that another test starts holds this test's files open between its fork and its exec.
                guard activity.unsettled > 0 && inbox.settings.settle == .zero else { return }
            } else {
                for await _ in changes { break }
            }
            try await pass(after: time)
        }
    }

    /// Waits until nothing runs.
    func idle() async throws {
        while await inbox.activity.running > 0 { try await Task.sleep(for: .milliseconds(2)) }
    }

    func record(_ item: String) async throws -> SourceRecord? {
        try await store.sources().first { $0.source == .inbox(item) }
    }

    /// The receipt, as written to disk.
    func receipt(_ item: String) async throws -> Receipt? {
        await inbox.flushReceipts()
        return try Receipt.read(inbox.settings.receipts.appending(ReceiptName.of(item)))
    }

    func pins(_ item: String) async throws -> [Digest] {
        try await store.images().filter { $0.pins.contains(.inbox(item)) }.map(\.record.digest)
    }

    func isPinned(_ item: String) async throws -> Bool { try await !pins(item).isEmpty }
}

extension BootClock {
    /// A clock that stands still.
    static let standing = BootClock(bootID: "test", nanoseconds: 1_000_000_000)
}

/// A disk that has as much room as it is told.
final class Disk: Sendable {
    let free = Atomic<UInt64>(.max)
}

/// Lines that were logged.
final class LogLines: Sendable, CustomStringConvertible {
    private let lines = Mutex<[String]>([])
    func append(_ line: String) { lines.withLock { $0.append(line) } }
    func contains(_ parts: String...) -> Bool {
        lines.withLock { $0.contains { line in parts.allSatisfy { line.contains($0) } } }
    }
    var description: String { lines.withLock { $0.joined(separator: "\n") } }
    func count(_ part: String) -> Int { lines.withLock { $0.count { $0.contains(part) } } }
}

struct LineHandler: LogHandler {
    let lines: LogLines
    var metadata: Logger.Metadata = [:]
    var logLevel: Logger.Level = .info
    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }
    func log(event: LogEvent) {
        let metadata = (event.metadata ?? [:]).map { "\($0)=\($1)" }.sorted().joined(separator: " ")
        lines.append("\(event.level) \(event.message) \(metadata)")
    }
}
