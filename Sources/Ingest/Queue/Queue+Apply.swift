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
        guard !jobs.isStopping else { return }
        self.plan = plan
        log.announce(.queueFile, plan.pause.map { ("paused", $0) })
        for problem in plan.problems {
            log.announce(.queueLine(problem.line), (QueueCode.invalidLine, problem.message))
        }
        var pulls: [QueuePlan.Pull] = []
        for decision in plan.decisions where jobs.isAsSeen(decision.source) {
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
        turns.replace(pulls.filter { jobs.mayBegin($0.entry.source) })
        startPulls()
        await reconcileReceipts()
    }

    /// Carries one decision out, or hands back the pull that it asks for.
    private func carryOut(_ decision: QueuePlan.Decision) async throws -> QueuePlan.Pull? {
        let source = decision.source
        switch decision.action {
        case .pull(let pull): return pull
        case .cancel: jobs.cancel(source)
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
        _ = try await store.remember(
            FailedTry(
                source: source,
                identity: "line",
                before: old,
                attempts: attempts,
                code: QueueCode.invalidLine,
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
        log.forget(source)
        jobs.forget(source)
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
        jobs.forget(.queue(reference))
        defer { onChange() }
        return try await Self.retry(reference, in: store)
    }

    /// Asks whichever process runs the queue for another try; its next pass takes it up.
    @discardableResult
    public static func retry(_ reference: String, in store: Store) async throws -> Bool {
        try await store.forgetOutcome(of: .queue(reference))
    }

    /// Writes a line's receipt; a wish has none, the VM's status tells of it.
    func put(_ receipt: Receipt, of source: Source) async {
        if source.queueReference != nil { await receipts.put(receipt) }
    }

    /// One line about a line of the queue.
    func say(_ level: Logger.Level, _ source: Source, _ message: String, _ metadata: Logger.Metadata = [:]) {
        log.say(level, source, message, metadata)
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
