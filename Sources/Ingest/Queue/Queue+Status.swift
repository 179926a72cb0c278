import Logging
import OCI
public import Store

/// A line of the queue as `slipway status` shows it.
public struct QueueItemStatus: Sendable, Hashable, Codable {
    /// `queue/REF`; `queue:LINE` for a line of which not even the reference can be told.
    public var source: Source
    /// The reference; nil where it cannot be told.
    public var reference: String?
    /// Where it stands.
    public var state: SourceRecord.State
    /// Its image.
    public var image: Digest?
    /// A stable code of what is wrong or waited for.
    public var code: String?
    /// What is wrong or waited for, in words.
    public var message: String?
    /// Tries in a row.
    public var attempts: Int
    /// When the registry is asked again, on the store's clock.
    public var nextTry: StoreTime?
    /// Bytes of its layers that are done, of the pull that runs.
    public var bytesDone: UInt64?
    /// Bytes of its layers in all, of the pull that runs.
    public var bytes: UInt64?
}

/// What the queue is busy with.
public struct QueueActivity: Sendable, Hashable {
    /// Pulls that run.
    public var running: Int
    /// Pulls that wait for their turn.
    public var queued: Int
    /// Whether the file has not stood still for long enough.
    public var isSettling: Bool
    /// Why nothing is concluded from what is missing; nil when all is well.
    public var pause: String?
    /// Whether a pull ended that no pass has seen yet.
    public var needsPass: Bool

    /// Whether nothing runs, waits for its turn, settles, or waits to be seen.
    public var isIdle: Bool { running == 0 && queued == 0 && !isSettling && !needsPass }
}

extension Queue {
    /// Every line and wish as of the last pass, in the order of the file; those that jobs work on as they are now.
    public func items() -> [QueueItemStatus] {
        guard let observation else { return [] }
        let content = observation.file.content
        let queued = turns.sources
        var items = (content?.entries ?? []).map { status(of: $0, isQueued: queued.contains($0.source)) }
        items += (observation.wishes ?? []).filter(\.isNeeded).map {
            status(of: $0, isQueued: queued.contains($0.source))
        }
        for problem in content?.problems ?? [] {
            let source = problem.reference.map { Source.queue($0.description) }
            let isFollowed = items.contains { $0.source == source }
            let record = source.flatMap { observation.records[$0] }
            items.append(
                QueueItemStatus(
                    source: isFollowed ? .queueLine(problem.line) : source ?? .queueLine(problem.line),
                    reference: problem.reference?.description,
                    state: .failed,
                    image: record?.image,
                    code: QueueCode.invalidLine,
                    message: problem.message,
                    attempts: record?.attempts ?? 0
                )
            )
        }
        return items
    }

    /// What is wanted beside the file and how it stands, as of the last pass.
    public var wished: [(entry: QueueEntry, status: QueueItemStatus)] {
        let queued = turns.sources
        return (observation?.wishes ?? []).filter(\.isNeeded).map {
            ($0, status(of: $0, isQueued: queued.contains($0.source)))
        }
    }

    private func status(of entry: QueueEntry, isQueued: Bool) -> QueueItemStatus {
        let record = observation?.records[entry.source]
        var status = QueueItemStatus(
            source: entry.source,
            reference: entry.reference.description,
            state: record?.state ?? .waiting,
            image: record?.image,
            code: record?.errorCode,
            message: record?.message,
            attempts: record?.attempts ?? 0,
            nextTry: record?.nextTry
        )
        // What is asked for now is not what was done.
        if let record, record.identity != entry.identity { status.state = .waiting }
        if let job = jobs.running[entry.source] {
            // A look whether the tag moved is no reason to call the image anything but done.
            if job.work.reason != .refresh { status.state = .running }
            (status.bytesDone, status.bytes) = job.progress.bytes
            status.code = nil
            status.message = nil
        } else if isQueued, status.state == .waiting {
            (status.code, status.message) = (nil, "waiting for its turn")
        }
        return status
    }

    /// Waits until the receipts asked for so far are written.
    public func flushReceipts() async { await receipts.flush() }

    /// Once in the life of this process: writes the receipts that are missing and removes those of lines that are not
    /// there.
    func reconcileReceipts() async {
        guard !hasReconciledReceipts, let observation, case .settled = observation.file, plan.pause == nil
        else { return }
        hasReconciledReceipts = true
        do {
            try await receipts.sweep()
            let files = try await receipts.names()
            var expected: Set<String> = []
            let lines = Set((observation.file.content?.entries ?? []).map(\.source))
                .union(observation.records.keys).filter { $0.queueReference != nil }
            for source in lines {
                let file = ReceiptName.of(source.wanted)
                expected.insert(file)
                guard !files.contains(file), let record = observation.records[source],
                    jobs.running[source] == nil, record.state == .done || record.state == .failed
                else { continue }
                await receipts.put(
                    Receipt(
                        item: source.wanted,
                        state: record.state,
                        errorCode: record.errorCode,
                        message: record.message,
                        references: [source.wanted],
                        digest: record.image,
                        resolved: record.digest,
                        layers: try await store.receiptLayers(of: record.image),
                        bytes: .init(input: 0),
                        attempts: record.attempts
                    )
                )
            }
            for file in files.subtracting(expected) { try await receipts.removeFile(file) }
        } catch {
            logger.error("cannot put the receipts in order", metadata: ["error": "\(error)"])
        }
    }
}
