import Host
public import ImageBackend
public import Logging
import OCI
public import Store
import SystemPackage

/// A text file of image references: what it lists is in the store.
///
/// A pass is `observe`, `plan`, `apply`. Pulls run in the background and are never waited for by a pass; when one ends,
/// `onChange` asks for the next pass. Events only shorten the wait. The file is never written to.
public actor Queue {
    /// How it behaves.
    public nonisolated let settings: QueueSettings

    let store: Store
    let images: any Images
    let logger: Logger
    var log: ItemLog
    let receipts: ReceiptFolder
    let onChange: @Sendable () -> Void

    private var settling: SettleTracker
    /// The file as it was read last, and what it asked for: with its last line, and without where that has no end.
    private var known: (identity: FileIdentity, whole: QueueFile, ended: QueueFile)?
    /// Whether the file as it was read last has settled.
    private var hasSettled = false
    /// Whether events tell of every change; nil until a watcher says.
    var isWatched: Bool?
    /// What is wanted beside the file.
    private var wishes: [QueueEntry]?

    var observation: QueueObservation?
    var plan = QueuePlan()
    var turns: PullTurns
    var jobs = BackgroundJobs<Source, QueuePlan.Pull, PullProgress>()
    var hasReconciledReceipts = false
    var generator = SystemRandomNumberGenerator()

    /// Creates a queue that has seen nothing yet.
    ///
    /// - Parameter onChange: called when a pass is due sooner than ``nextDeadline`` said; from any thread.
    public init(
        settings: QueueSettings,
        store: Store,
        images: any Images,
        logger: Logger,
        onChange: @escaping @Sendable () -> Void
    ) {
        self.settings = settings
        self.store = store
        self.images = images
        self.logger = logger
        log = ItemLog(logger, name: "the queue", input: .queueFile)
        self.onChange = onChange
        receipts = ReceiptFolder(path: settings.receipts, logger: logger)
        settling = SettleTracker(settle: settings.settle)
        turns = PullTurns(limit: settings.pulls)
    }

    // MARK: Observing

    /// Reads the file and what the store remembers of it.
    public func observe(now: StoreTime) async throws -> QueueObservation {
        jobs.beginLook()
        let (records, fileRecord) = try await records()
        var pins = try await store.pins(ofSourcesStartingWith: Source.queuePrefix)
        pins.merge(try await store.pins(ofSourcesStartingWith: Source.requestPrefix)) { first, _ in first }
        let file = try await look(fileRecord, now: now)
        let result = QueueObservation(
            now: now,
            file: file,
            wishes: wishes,
            records: records,
            fileRecord: fileRecord,
            pins: pins,
            running: jobs.running.mapValues(\.work.entry.identity),
            tried: jobs.tried,
            settings: settings
        )
        forget(result)
        observation = result
        return result
    }

    /// What is to be done about what was observed. Changes nothing.
    public static func plan(_ observation: QueueObservation) -> QueuePlan { QueuePlanner(observation).run() }

    /// Says what is wanted beside the file. A pass should follow where that is news.
    ///
    /// - Returns: whether it is.
    @discardableResult
    public func wish(_ entries: [QueueEntry]) -> Bool {
        defer { wishes = entries }
        return wishes != entries
    }

    private func records() async throws -> (lines: [Source: SourceRecord], file: SourceRecord?) {
        var lines: [Source: SourceRecord] = [:]
        var file: SourceRecord?
        for prefix in [Source.queuePrefix, Source.requestPrefix] {
            for record in try await store.sources(startingWith: prefix) {
                if record.source == .queueFile {
                    file = record
                } else {
                    lines[record.source] = record
                }
            }
        }
        return (lines, file)
    }

    private func look(_ memory: SourceRecord?, now: StoreTime) async throws -> QueueObservation.File {
        let scan = QueueScan(
            path: settings.path,
            allowsWorldWritable: settings.allowsWorldWritable,
            known: known?.identity
        )
        let path = settings.path
        let (found, parsed) = try await onThread(named: "queue") { _ in
            let found = scan.run()
            guard case .present(let bytes, _, _) = found else { return (found, (QueueFile(), QueueFile())) }
            let whole = QueueFile(parsing: bytes, path: path)
            let isEnded = bytes.last == UInt8(ascii: "\n") || bytes.isEmpty
            let ended = isEnded ? whole : QueueFile(parsing: bytes, path: path, takesOpenLine: false)
            return (found, (whole, ended))
        }
        switch found {
        case .absent:
            known = nil
            settling.forget(Self.fileKey)
            return .absent
        case .refused(let reason): return .refused(reason)
        case .changing:
            settling.noteChanged(Self.fileKey, now: MonotonicTime.now())
            return .settling(known?.ended ?? QueueFile(), until: now + settings.settle)
        case .present(_, let identity, let writers):
            known = (identity, parsed.0, parsed.1)
            // As it was when it had settled before: by this process or another.
            hasSettled = memory?.identity == identity.description
            return judge(identity, writers, now: now)
        case .unchanged(let identity, let writers): return judge(identity, writers, now: now)
        }
    }

    private func judge(_ identity: FileIdentity, _ writers: File.Writers, now: StoreTime)
        -> QueueObservation.File
    {
        guard let known else { return .settling(QueueFile(), until: now) }
        if !hasSettled {
            let clock = MonotonicTime.now()
            let verdict = settling.observe(Self.fileKey, identity: identity, writers: writers, now: clock)
            if case .wait(let until) = verdict {
                return .settling(known.ended, until: now + .nanoseconds(until - clock))
            }
            hasSettled = true
        }
        return .settled(known.whole, identity: identity.description)
    }

    private static let fileKey = "queue"

    /// Forgets what is gone.
    private func forget(_ observation: QueueObservation) {
        guard case .settled(let content, _) = observation.file else { return }
        var present = Set(content.entries.map(\.source)).union((observation.wishes ?? []).map(\.source))
        present.formUnion(observation.records.keys)
        present.formUnion(content.problems.map { Source.queueLine($0.line) })
        log.forget { present.contains($0) }
        jobs.forget { present.contains($0) }
    }

    // MARK: Events

    /// Takes an event of the folder that the file lies in into account. A pass should follow.
    ///
    /// - Returns: false when the event concerns another file.
    public func noteEvent(_ event: WatchEvent) -> Bool {
        let now = MonotonicTime.now()
        switch event.kind {
        case .watching: isWatched = true
        case .folderGone, .degraded: isWatched = false
        case .overflow:
            settling.noteChanged(Self.fileKey, now: now)
            hasSettled = false
        case .renamedIn, .closedAfterWriting:
            guard event.name == settings.path.lastComponent else { return false }
            settling.noteFinished(Self.fileKey, now: now)
        case .created, .removed, .changed:
            guard event.name == settings.path.lastComponent else { return false }
            settling.noteChanged(Self.fileKey, now: now)
        }
        return true
    }

    /// The folder to watch: the file itself may be appended to or replaced.
    public nonisolated var watchedFolder: FilePath { settings.path.removingLastComponent() }

    // MARK: State

    /// What the queue is busy with, as of the last pass.
    public var activity: QueueActivity {
        var activity = QueueActivity(
            running: jobs.running.count,
            queued: turns.count,
            isSettling: false,
            pause: plan.pause,
            needsPass: jobs.hasNews
        )
        if case .settling = observation?.file { activity.isSettling = true }
        return activity
    }

    /// When the next pass is due although nothing happens; nil before the first.
    public var nextDeadline: StoreTime? {
        guard let observation else { return nil }
        return Rescan.next(
            after: observation.now,
            every: settings.rescan,
            isWatched: isWatched,
            planned: plan.nextLook
        )
    }
}
