import Foundation
import ImageBackend
import Logging
import OCI
import Store

extension Queue {
    /// Starts pulls until as many run as may.
    func startPulls() {
        while !jobs.isStopping {
            let registries = jobs.running.values.map(\.work.entry.reference.domain)
            guard let pull = turns.next(running: registries) else { return }
            start(pull)
        }
    }

    private func start(_ pull: QueuePlan.Pull) {
        let source = pull.entry.source
        let progress = PullProgress()
        log.forget(source)
        let timings = Receipt.Timings(started: Receipt.text(Date()))
        say(
            pull.reason == .refresh ? .debug : .info,
            source,
            pull.reason == .refresh ? "looking whether it moved" : "pulling",
            ["ref": "\(pull.entry.reference)", "reason": "\(pull.reason.rawValue)"]
        )
        let request = PullRequest(
            pull.entry.reference,
            platform: pull.entry.platform,
            alias: pull.entry.alias,
            policy: pull.entry.policy,
            source: source
        )
        let (images, isRefresh) = (images, pull.reason == .refresh)
        let task = Task {
            if !isRefresh {
                await put(
                    Receipt(
                        item: source.wanted,
                        state: .running,
                        references: request.references,
                        digest: pull.record?.image,
                        bytes: .init(input: 0),
                        timings: timings,
                        attempts: attempts(pull)
                    ),
                    of: source
                )
            }
            let outcome: Result<Image, ImageError>
            do throws(ImageError) {
                outcome = .success(try await images.pull(request, tracker: progress))
            } catch { outcome = .failure(error) }
            await finish(pull, outcome, isCancelled: Task.isCancelled)
        }
        jobs.begin(source, as: pull.entry.identity, pull, progress, timings, task: task)
    }

    /// Records what came of a pull, lets the next one start, and asks for a pass.
    private func finish(
        _ pull: QueuePlan.Pull,
        _ outcome: Result<Image, ImageError>,
        isCancelled: Bool
    ) async {
        let source = pull.entry.source
        do {
            switch outcome {
            case .success(let image): try await recordSuccess(pull, image)
            case .failure(let error) where error.code == .cancelled || isCancelled:
                // Of a line that nothing is remembered of, nothing may go on saying that it runs.
                if pull.record == nil, source.queueReference != nil { await receipts.remove(source.wanted) }
                if !jobs.isStopping { say(.info, source, "pull stopped: the line changed or went away") }
            case .failure(let error): try await recordFailure(pull, error)
            }
        } catch {
            // Nothing was remembered, so the next pass plans the line anew; what was fetched is not lost.
            say(.error, source, "cannot be recorded", ["error": "\(error)"])
        }
        jobs.end(source)
        startPulls()
        if !jobs.isStopping { onChange() }
    }

    private func recordSuccess(_ pull: QueuePlan.Pull, _ image: Image) async throws {
        let source = pull.entry.source
        let report = image.pulled
        let isUnchanged = report?.isUnchanged == true && pull.record?.image == image.digest
        let attempts = attempts(pull)
        var nextTry: Duration?
        if pull.entry.policy == .always, pull.entry.reference.digest == nil {
            // A little early by chance, so that many lines of one age do not come at once.
            nextTry =
                (pull.entry.refresh ?? settings.refresh) * Double.random(in: 0.95...1, using: &generator)
        }
        let now = try await store.tick()
        try await store.setSource(
            SourceRecord(
                source: source,
                identity: pull.entry.identity,
                digest: report?.resolved ?? pull.record?.digest,
                image: image.digest,
                state: .done,
                attempts: attempts,
                nextTry: nextTry.map { now + $0 }
            )
        )
        let timings = jobs.timings(of: source)
        var warnings = report?.warnings ?? []
        if pull.entry.refresh != nil, pull.entry.policy != .always {
            warnings.append("refresh= has no effect without pull=always")
        }
        await put(
            Receipt(
                item: source.wanted,
                state: .done,
                references: pull.entry.references,
                digest: image.digest,
                resolved: report?.resolved ?? pull.record?.digest,
                layers: image.layers.map { .init(diffID: $0.diffID, key: $0.key, bytes: $0.bytes) },
                bytes: .init(
                    input: report?.layerBytes ?? 0,
                    read: report?.bytesFetched,
                    added: report?.bytesAdded,
                    dead: report?.deadBytes
                ),
                timings: timings,
                warnings: warnings,
                attempts: attempts,
                nextTry: nextTry.map { Receipt.text(Date(timeIntervalSinceNow: $0 / .seconds(1))) }
            ),
            of: source
        )
        say(
            isUnchanged ? .debug : .info,
            source,
            isUnchanged ? "unchanged" : report?.resolved == nil ? "is in the store" : "pulled",
            [
                "ref": "\(pull.entry.reference)", "image": "\(image.digest)",
                "layers": "\(image.layers.count)",
                "bytes": "\(report?.bytesFetched ?? 0)", "seconds": "\(timings?.seconds ?? 0)",
            ]
        )
        log.forget(source)
    }

    private func recordFailure(_ pull: QueuePlan.Pull, _ error: ImageError) async throws {
        let source = pull.entry.source
        let old = pull.record
        let attempts = attempts(pull)
        let backoff = error.isTransient ? Backoff() : Backoff.permanent
        var delay = backoff.delay(afterAttempts: attempts, using: &generator)
        if let asked = error.retryAfter { delay = max(delay, min(asked, Self.longestRetryAfter)) }
        let nextTry = try await store.remember(
            FailedTry(
                source: source,
                identity: pull.entry.identity,
                before: old,
                attempts: attempts,
                delay: delay,
                code: error.code.rawValue,
                message: error.message
            )
        )
        await put(
            Receipt(
                item: source.wanted,
                state: .failed,
                errorCode: error.code.rawValue,
                message: error.message,
                references: pull.entry.references,
                digest: old?.image,
                layers: try await store.receiptLayers(of: old?.image),
                bytes: .init(input: 0),
                timings: jobs.timings(of: source),
                attempts: attempts,
                nextTry: nextTry
            ),
            of: source
        )
        say(
            .error,
            source,
            "pull failed: \(error.message)",
            [
                "ref": "\(pull.entry.reference)", "error_code": "\(error.code.rawValue)",
                "attempt": "\(attempts)", "nextTry": "\(nextTry ?? "")",
            ]
        )
    }

    /// A registry that asks for more patience than this is asked again all the same.
    private static let longestRetryAfter = Duration.seconds(6 * 3600)

    /// Tries in a row, this one included: what was tried before the line changed, or went well, does not count.
    private func attempts(_ pull: QueuePlan.Pull) -> Int {
        guard let record = pull.record, record.state == .failed, record.identity == pull.entry.identity else {
            return 1
        }
        return record.attempts + 1
    }

    /// Stops what runs and waits for it; what was asked to be written is written. The queue does nothing afterwards.
    public func stop() async {
        turns.replace([])
        for task in jobs.stop() { await task.value }
        await receipts.flush()
    }
}
