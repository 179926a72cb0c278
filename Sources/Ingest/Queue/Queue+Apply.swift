import Foundation
import Host
import ImageBackend
import Logging
import OCI
public import Store
import SystemPackage

extension Queue {
    /// Does what a plan says: starts pulls in the background, releases what is gone, says what is refused. What the
    /// store refuses to take is logged, and planned anew by the next pass.
    public func apply(_ plan: QueuePlan) async {
        guard !isStopping else { return }
        self.plan = plan
        announce(.queueFile, plan.pause.map { ("paused", $0) })
        for problem in plan.problems {
            announce(.queueLine(problem.line), (QueueCode.invalidLine, problem.message))
        }
        var pulls: [QueuePlan.Pull] = []
        for decision in plan.decisions where !ended.contains(decision.source) {
            do {
                if let pull = try await carryOut(decision) { pulls.append(pull) }
            } catch {
                logger.error(
                    "the queue cannot act on a line",
                    metadata: ["item": "\(decision.source)", "error": "\(error)"]
                )
            }
        }
        await change(plan.fileChange)
        turns.replace(pulls.filter { running[$0.entry.source] == nil && !ended.contains($0.entry.source) })
        startPulls()
        await reconcileReceipts()
    }

    /// Carries one decision out, or hands back the pull that it asks for.
    private func carryOut(_ decision: QueuePlan.Decision) async throws -> QueuePlan.Pull? {
        let source = decision.source
        switch decision.action {
        case .pull(let pull): return pull
        case .cancel: running[source]?.task.cancel()
        case .restore(let pull, let image):
            guard try await store.imageDigest(knownAs: image) != nil else {
                say(
                    .info,
                    source,
                    "its image is gone from the store: pulling it again",
                    ["image": "\(image)"]
                )
                return pull
            }
            try await store.pin(image, by: source)
            say(.info, source, "its image was no longer pinned: pinned again", ["image": "\(image)"])
        case .release(let image): try await release(source, image)
        case .refuse(let problem): try await refuse(source, problem)
        }
        return nil
    }

    /// Remembers how the file settled.
    private func change(_ change: QueuePlan.FileChange?) async {
        guard let change else { return }
        do {
            try await store.setSource(
                SourceRecord(
                    source: .queueFile,
                    identity: change.identity,
                    state: .done,
                    absentSince: change.heldSince
                )
            )
        } catch {
            logger.error("the queue cannot remember its file", metadata: ["error": "\(error)"])
        }
    }

    /// Refuses a line: remembered, so that it is said once. What it had before stays.
    private func refuse(_ source: Source, _ problem: QueueProblem) async throws {
        let old = observation?.records[source]
        let attempts = (old?.attempts ?? 0) + 1
        try await store.setSource(
            SourceRecord(
                source: source,
                identity: "line",
                digest: old?.digest,
                image: old?.image,
                state: .failed,
                attempts: attempts,
                errorCode: QueueCode.invalidLine,
                message: problem.message
            )
        )
        say(.warning, source, "refused: \(problem.message)", ["error_code": "\(QueueCode.invalidLine)"])
        await put(
            Receipt(
                item: source.wanted,
                state: .failed,
                errorCode: QueueCode.invalidLine,
                message: problem.message,
                references: [source.wanted],
                digest: old?.image,
                layers: try await store.receiptLayers(of: old?.image),
                bytes: .init(input: 0),
                attempts: attempts
            ),
            of: source
        )
    }

    /// Lets go of what a vanished line claimed and pinned.
    func release(_ source: Source, _ image: Digest?) async throws {
        let unpinned = try await store.release(source)
        try await store.removeSource(source)
        if source.queueReference != nil { await receipts.remove(source.wanted) }
        announced[source] = nil
        tried[source] = nil
        var metadata: Logger.Metadata = ["ref": "\(source.wanted)"]
        if let image { metadata["image"] = "\(image)" }
        if unpinned.isEmpty {
            say(.info, source, "no longer asked for", metadata)
        } else {
            let deadline = Date(timeIntervalSinceNow: settings.unpinnedTTL / .seconds(1))
            metadata["collectedAfter"] = "\(Receipt.text(deadline))"
            let message = "no longer asked for: its image is no longer pinned and will be collected"
            say(.warning, source, message, metadata)
        }
    }

    /// Asks for another try of a line, whatever became of it; when the file lists it, the next pass takes it up.
    ///
    /// - Returns: false when nothing is remembered of it.
    @discardableResult
    public func retry(_ reference: String) async throws -> Bool {
        tried[.queue(reference)] = nil
        defer { onChange() }
        return try await Self.retry(reference, in: store)
    }

    /// Asks whichever process runs the queue for another try; its next pass takes it up.
    @discardableResult
    public static func retry(_ reference: String, in store: Store) async throws -> Bool {
        try await store.forgetOutcome(of: .queue(reference))
    }

    // MARK: Saying

    /// Writes a line's receipt; a wish has none, the VM's status tells of it.
    func put(_ receipt: Receipt, of source: Source) async {
        if source.queueReference != nil { await receipts.put(receipt) }
    }

    /// One line about a line of the queue.
    func say(_ level: Logger.Level, _ source: Source, _ message: String, _ metadata: Logger.Metadata = [:]) {
        logger.log(
            level: level,
            "\(message)",
            metadata: metadata.merging(["item": "\(source)"]) { old, _ in old }
        )
    }

    /// A warning about something that lasts: said when it begins, not by every pass.
    private func announce(_ source: Source, _ news: (code: String, message: String)?) {
        let key = news.map { "\($0.code): \($0.message)" }
        guard announced[source] != key else { return }
        announced[source] = key
        guard let news else { return }
        if source == .queueFile {
            logger.warning("the queue is \(news.code): \(news.message)")
        } else {
            say(.warning, source, news.message, ["error_code": "\(news.code)"])
        }
    }
}

extension Source {
    /// What the written form of every image wanted by a VM request starts with.
    static let requestPrefix = "requests/"

    /// The reference that VM requests want, of such a source; nil for any other.
    var requestReference: String? {
        rawValue.hasPrefix(Self.requestPrefix) ? String(rawValue.dropFirst(Self.requestPrefix.count)) : nil
    }

    /// The reference that a line or wish is about.
    var wanted: String { queueReference ?? requestReference ?? rawValue }

    /// A line of the queue of which not even the reference can be told.
    static func queueLine(_ number: Int) -> Source { Source(rawValue: "queue:\(number)") }
}
