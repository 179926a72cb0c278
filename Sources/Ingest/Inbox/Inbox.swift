import Host
public import ImageBackend
public import Logging
import OCI
public import Store
import SystemPackage

/// A folder whose tar files are images: what is in it is in the store.
///
/// A pass is `observe`, `plan`, `apply`. Imports run in the background and are never waited for by a pass; when one
/// ends, `onChange` asks for the next pass. Events only shorten the wait.
public actor Inbox {
    /// How it behaves.
    public nonisolated let settings: InboxSettings

    let store: Store
    let images: any Images
    let logger: Logger
    var log: ItemLog
    let receipts: ReceiptFolder
    let onChange: @Sendable () -> Void
    let patterns: ReferencePatterns
    private let freeBytes: @Sendable (FilePath) throws(FileError) -> UInt64

    /// Files, and image folders whose `layers` says that they are complete.
    var files: SettleTracker
    /// Image folders that only time or a rename can complete.
    var folders: SettleTracker
    /// Items that had settled, as they were then.
    var settled: [String: FileIdentity] = [:]
    /// The order in which items were first seen.
    var arrivals: [String: UInt64] = [:]
    private var nextArrival: UInt64 = 0
    /// Folders of whose changes events do not tell, and why; nil until a watcher says.
    var unwatched: [FilePath: String]?
    /// How often the kernel dropped events.
    var lostEvents = 0
    /// Whether an event, or a call, may have changed what a look would find.
    var hasNews = true

    var quiet: Quiet?
    /// Whether the last pass found that nothing had changed.
    public internal(set) var isQuiet = false
    var observation: InboxObservation?
    var plan = InboxPlan()
    var queue = ImportQueue()
    var jobs = BackgroundJobs<String, InboxPlan.Import, ImportProgress>()
    /// Items whose receipts say that they wait.
    var saidToWait: Set<String> = []
    var hasReconciledReceipts = false
    var generator = SystemRandomNumberGenerator()

    /// Creates an inbox that has seen nothing yet.
    ///
    /// - Parameters:
    ///   - freeBytes: what tells the free bytes of the store's file system; tests put one in its place.
    ///   - onChange: called when a pass is due sooner than ``nextDeadline`` said; from any thread.
    public init(
        settings: InboxSettings,
        store: Store,
        images: any Images,
        logger: Logger,
        freeBytes: @escaping @Sendable (FilePath) throws(FileError) -> UInt64 = {
            path throws(FileError) in try FileSystemStatus.of(path).availableBytes
        },
        onChange: @escaping @Sendable () -> Void
    ) {
        self.freeBytes = freeBytes
        patterns = ReferencePatterns(settings.allowReferences)
        self.settings = settings
        self.store = store
        self.images = images
        self.logger = logger
        log = ItemLog(logger, name: "the inbox", input: .inboxFolder)
        self.onChange = onChange
        receipts = ReceiptFolder(path: settings.receipts, logger: logger)
        files = SettleTracker(settle: settings.settle)
        folders = SettleTracker(settle: settings.folderSettle)
    }

    // MARK: Observing

    /// Reads the folder and what the store remembers of it.
    public func observe(now: StoreTime) async throws -> InboxObservation {
        jobs.beginLook()
        hasNews = false
        let records = try await records()
        let pins = try await store.pins(ofSourcesStartingWith: Source.inboxPrefix)
        var known = settled
        for (name, record) in records.items where record.state == .done && known[name] == nil {
            if let identity = FileIdentity(record.identity) { known[name] = identity }
        }
        let scan = InboxScan(
            path: settings.path,
            allowsWorldWritable: settings.allowsWorldWritable,
            settled: known
        )
        let (storeRoot, freeBytes, reserve) = (store.layout.root, freeBytes, settings.reserve)
        let (folder, entries, free) = try await onThread(named: "inbox") { _ in
            let (folder, entries) = scan.run()
            return (folder, entries, try freeBytes(storeRoot))
        }

        let clock = MonotonicTime.now()
        var items = entries.map { judge($0, records.items[$0.item.name], now: now, clock: clock) }
        note(present: Set(items.map(\.name)), in: folder)
        items.sort { (arrivals[$0.name] ?? .max) < (arrivals[$1.name] ?? .max) }
        let result = InboxObservation(
            now: now,
            folder: .init(folder),
            items: items,
            records: records.items,
            folderRecord: records.folder,
            pins: Dictionary(
                uniqueKeysWithValues: pins.compactMap { key, value in key.inboxItem.map { ($0, value) } }
            ),
            running: jobs.running.mapValues(\.work.item.identity),
            tried: jobs.tried,
            shortage: free >= reserve
                ? nil
                : "only \(free >> 20) MiB are free at \(storeRoot), less than the reserve (store.reserve): waiting for room",
            settings: settings
        )
        observation = result
        return result
    }

    /// What is to be done about what was observed. Changes nothing.
    public static func plan(_ observation: InboxObservation) -> InboxPlan { InboxPlanner(observation).run() }

    private func records() async throws -> (items: [String: SourceRecord], folder: SourceRecord?) {
        var items: [String: SourceRecord] = [:]
        var folder: SourceRecord?
        for record in try await store.sources(startingWith: Source.inboxPrefix) {
            if record.source == .inboxFolder {
                folder = record
            } else if let name = record.source.inboxItem {
                items[name] = record
            }
        }
        return (items, folder)
    }

    /// Remembers the order of arrival, and forgets what is gone.
    private func note(present names: Set<String>, in folder: InboxScan.Folder) {
        guard case .present = folder else { return }
        for name in names.sorted() where arrivals[name] == nil {
            arrivals[name] = nextArrival
            nextArrival += 1
        }
        guard arrivals.count > names.count else { return }
        arrivals = arrivals.filter { names.contains($0.key) }
        settled = settled.filter { names.contains($0.key) }
        log.forget { $0.inboxItem.map(names.contains) ?? false }
        jobs.forget { names.contains($0) }
        files.retain(only: names)
        folders.retain(only: names)
    }

    /// Whether an entry has settled and what else stands in its way.
    private func judge(
        _ entry: InboxScan.Entry,
        _ record: SourceRecord?,
        now: StoreTime,
        clock: Int64
    ) -> InboxItem {
        var item = entry.item
        switch entry.obstacle {
        case .kind(let code, let message):
            item.standing = .refused(code: code, message: message)
            return item
        case .incomplete(let message):
            item.standing = .waiting(until: nil, code: InboxCode.incomplete, message: message)
            return item
        default: break
        }
        if let record, record.state == .done, record.identity == item.identity {
            settled[item.name] = item.stamp
            if let promised = item.promisedDigest, let digest = record.digest, promised != digest {
                // A sidecar precedes its file: the one that is there belongs to a file to come.
                item.standing = .waiting(
                    until: nil,
                    code: ImageError.Code.digestMismatch.rawValue,
                    message: "imported, but its sidecar promises another content: waiting for that file"
                )
            }
            return item
        }
        // What failed as it is needs no time to be known for what it is.
        let isRemembered = record?.state == .failed && record?.identity == item.memory
        if settled[item.name] != item.stamp, !isRemembered {
            let byTime = entry.isFolder && !entry.isDeclaredComplete
            let verdict =
                byTime
                ? folders.observe(item.name, identity: item.stamp, writers: entry.writers, now: clock)
                : files.observe(item.name, identity: item.stamp, writers: entry.writers, now: clock)
            if case .wait(let until) = verdict {
                item.standing = .waiting(
                    until: now + .nanoseconds(until - clock),
                    code: entry.writers == .some ? InboxCode.beingWritten : InboxCode.settling,
                    message: entry.writers == .some
                        ? "someone has it open for writing" : "waiting until it has stood still"
                )
                return item
            }
        }
        // What is settled is not opened again, so nothing that opening it told may be forgotten.
        if case nil = entry.obstacle { settled[item.name] = item.stamp }
        switch entry.obstacle {
        case .content(let code, let message): item.standing = .refused(code: code, message: message)
        case .notAnImage(let message): item.standing = .leftAlone(message: message)
        default: item.standing = .settled
        }
        return item
    }

    // MARK: State

    /// What the inbox is busy with, as of the last pass.
    public var activity: InboxActivity {
        if isQuiet, let known = quiet?.activity { return known }
        let activity = countActivity()
        if isQuiet { quiet?.activity = activity }
        return activity
    }

    private func countActivity() -> InboxActivity {
        var activity = InboxActivity(
            running: jobs.running.count,
            queued: queue.count,
            unsettled: 0,
            failed: 0,
            incomplete: 0,
            pause: plan.pause,
            needsPass: jobs.hasNews
        )
        guard let observation else { return activity }
        let queued = Set(queue.names)
        let heldBack = plan.heldBack
        for item in observation.items where jobs.running[item.name] == nil && !queued.contains(item.name) {
            switch item.standing {
            case .waiting(.some, _, _): activity.unsettled += 1
            case .waiting(nil, _, _): activity.incomplete += 1
            case .refused: activity.failed += 1
            case .settled where heldBack[item.name] != nil: activity.incomplete += 1
            case .settled where observation.records[item.name]?.state == .failed: activity.failed += 1
            case .settled, .leftAlone: break
            }
        }
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

extension InboxObservation.Folder {
    init(_ folder: InboxScan.Folder) {
        self =
            switch folder {
            case .present(let inode): .present(inode: inode)
            case .absent: .absent
            case .refused(let reason): .refused(reason)
            }
    }
}
