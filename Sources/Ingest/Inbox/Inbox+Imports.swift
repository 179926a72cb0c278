import Foundation
import Host
import ImageBackend
import Logging
import OCI
import Store

extension Inbox {
    /// Starts imports until as many run as may.
    func startImports() {
        while !isStopping {
            let large = running.values.count { ImportQueue.isLarge($0.work) }
            let next = queue.next(running: running.count, runningLarge: large, limit: settings.conversions)
            guard let work = next else { return }
            start(work)
        }
    }

    private func start(_ work: InboxPlan.Import) {
        let progress = ImportProgress()
        let name = work.item.name
        let scan = InboxScan(path: settings.path, settled: [name: work.item.stamp])
        let job = ImportJob(
            work: work,
            images: images,
            scan: scan,
            folder: observation?.folder ?? .absent,
            tracker: progress
        )
        announced[name] = nil
        tried[name] = work.item.identity
        let timings = Receipt.Timings(started: Receipt.text(Date()))
        say(
            .info,
            name,
            "importing",
            ["ref": "\(work.reference)", "reason": "\(work.reason.rawValue)", "bytes": "\(work.item.size)"]
        )
        let task = Task {
            await receipts.put(
                Receipt(
                    item: name,
                    state: .running,
                    references: [work.reference],
                    bytes: .init(input: work.item.size),
                    timings: timings,
                    attempts: (work.record?.attempts ?? 0) + 1
                )
            )
            await finish(work, await job.run())
        }
        running[name] = RunningImport(
            work: work,
            task: task,
            progress: progress,
            timings: timings,
            start: .now
        )
    }

    /// Records what came of an import, lets the next one start, and asks for a pass.
    private func finish(_ work: InboxPlan.Import, _ outcome: ImportJob.Outcome) async {
        let name = work.item.name
        do {
            try await record(work, outcome)
        } catch {
            // Nothing was remembered, so the next pass plans the item anew; what was converted is not lost.
            say(.error, name, "cannot be recorded", ["error": "\(error)"])
        }
        running[name] = nil
        ended.insert(name)
        startImports()
        if !isStopping { onChange() }
    }

    private func record(_ work: InboxPlan.Import, _ outcome: ImportJob.Outcome) async throws {
        let name = work.item.name
        switch outcome {
        case .imported(let image, let digest): try await recordSuccess(work, image, digest)
        case .same(let image, let digest):
            guard try await store.image(image) != nil else {
                // The digest was remembered, the image is not there any more: without the digest it is imported.
                try await store.removeSource(.inbox(name))
                return
            }
            try await store.pin(image, by: .inbox(name))
            try await recordSame(work, image, digest)
        case .changed(let isCommitted):
            // Whatever was read of it is of no state that the file was ever meant to have.
            if isCommitted { try await discard(name) }
            say(.info, name, "changed while it was read: starting over")
        case .gone: try await release(name, work.record?.image)
        case .failed(let error): try await recordFailure(work, error)
        case .cancelled:
            // Of an item that nothing is remembered of, nothing may go on saying that it runs.
            if work.record == nil { await receipts.remove(name) }
            if !isStopping { say(.info, name, "import stopped: the item changed or went away") }
        }
    }

    /// Forgets what an import of a changing file committed.
    private func discard(_ name: String) async throws {
        try await store.release(.inbox(name))
        try await store.removeSource(.inbox(name))
    }

    private func recordSuccess(_ work: InboxPlan.Import, _ image: Image, _ digest: Digest?) async throws {
        let name = work.item.name
        let attempts = (work.record?.attempts ?? 0) + 1
        try await store.setSource(
            SourceRecord(
                source: .inbox(name),
                identity: work.item.identity,
                digest: digest,
                image: image.digest,
                state: .done,
                attempts: attempts
            )
        )
        let timings = finished(name)
        await receipts.put(
            Receipt(
                item: name,
                state: .done,
                references: references(image, or: work.reference),
                digest: image.digest,
                layers: image.layers.map { .init(diffID: $0.diffID, key: $0.key, bytes: $0.bytes) },
                bytes: .init(
                    input: work.item.size,
                    read: image.imported?.bytesRead,
                    added: image.imported?.bytesAdded,
                    dead: image.imported?.deadBytes
                ),
                timings: timings,
                warnings: image.imported?.warnings ?? [],
                attempts: attempts
            )
        )
        say(
            .info,
            name,
            "imported",
            [
                "ref": "\(work.reference)", "image": "\(image.digest)", "layers": "\(image.layers.count)",
                "bytes": "\(work.item.size)", "seconds": "\(timings?.seconds ?? 0)",
            ]
        )
        announced[name] = nil
    }

    private func recordSame(_ work: InboxPlan.Import, _ image: Digest, _ digest: Digest) async throws {
        let name = work.item.name
        try await store.setSource(
            SourceRecord(
                source: .inbox(name),
                identity: work.item.identity,
                digest: digest,
                image: image,
                state: .done,
                attempts: 1
            )
        )
        say(
            .info,
            name,
            "has the content that was imported before",
            ["ref": "\(work.reference)", "image": "\(image)"]
        )
        await receipts.put(
            Receipt(
                item: name,
                state: .done,
                references: [work.reference],
                digest: image,
                layers: try await store.receiptLayers(of: image),
                bytes: .init(input: work.item.size),
                timings: finished(name),
                attempts: 1
            )
        )
    }

    private func recordFailure(_ work: InboxPlan.Import, _ error: ImageError) async throws {
        let name = work.item.name
        let old = work.record
        // What was tried before the item changed does not count.
        let attempts = (old?.identity == work.item.memory ? old?.attempts ?? 0 : 0) + 1
        let delay = error.isTransient ? Backoff().delay(afterAttempts: attempts, using: &generator) : nil
        let now = try await store.tick()
        try await store.setSource(
            SourceRecord(
                source: .inbox(name),
                identity: work.item.memory,
                digest: old?.digest,
                image: old?.image,
                state: .failed,
                attempts: attempts,
                nextTry: delay.map { now + $0 },
                errorCode: error.code.rawValue,
                message: error.message
            )
        )
        let nextTry = delay.map { Receipt.text(Date(timeIntervalSinceNow: $0 / .seconds(1))) }
        await receipts.put(
            Receipt(
                item: name,
                state: .failed,
                errorCode: error.code.rawValue,
                message: error.message,
                references: [work.reference],
                bytes: .init(input: work.item.size),
                timings: finished(name),
                attempts: attempts,
                nextTry: nextTry
            )
        )
        say(
            .error,
            name,
            "import failed: \(error.message)",
            [
                "ref": "\(work.reference)", "error_code": "\(error.code.rawValue)", "attempt": "\(attempts)",
                "nextTry": "\(nextTry ?? "when the file changes, or 'slipway retry inbox/\(name)'")",
            ]
        )
    }

    private func references(_ image: Image, or reference: String) -> [String] {
        image.references.isEmpty ? [reference] : image.references
    }

    private func finished(_ name: String) -> Receipt.Timings? {
        running[name].map { $0.timings.ended(since: $0.start) }
    }

    /// Stops what runs and waits for it; what was asked to be written is written. The inbox does nothing afterwards.
    public func stop() async {
        isStopping = true
        queue.replace([])
        let tasks = running.values.map(\.task)
        for task in tasks { task.cancel() }
        for task in tasks { await task.value }
        await receipts.flush()
    }
}
