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

    /// An import that has run for this long gets a receipt that says so, and how far it is, as often.
    private static let progressInterval = Duration.seconds(1)

    private func start(_ work: InboxPlan.Import) {
        let progress = ImportProgress()
        let name = work.item.name
        let scan = InboxScan(path: settings.path, settled: [name: work.item.stamp])
        let job = ImportJob(
            work: work,
            patterns: patterns,
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
            ["ref": "\(work.name)", "reason": "\(work.reason.rawValue)", "bytes": "\(work.item.size)"]
        )
        let task = Task {
            let reporting = Task { await reportProgress(of: work, progress, timings) }
            let outcome = await job.run()
            reporting.cancel()
            await reporting.value
            await finish(work, outcome)
        }
        running[name] = RunningImport(
            work: work,
            task: task,
            progress: progress,
            timings: timings,
            start: .now
        )
    }

    /// Writes how far an import is until it is told to stop. A short one, of which there may be thousands, gets none.
    private func reportProgress(
        of work: InboxPlan.Import,
        _ progress: ImportProgress,
        _ timings: Receipt.Timings
    ) async {
        while true {
            do { try await Task.sleep(for: Self.progressInterval) } catch { return }
            await receipts.put(
                Receipt(
                    item: work.item.name,
                    state: .running,
                    references: work.reference.map { [$0] } ?? [],
                    bytes: .init(input: work.item.size, read: progress.bytesDone),
                    timings: timings,
                    attempts: (work.record?.attempts ?? 0) + 1
                )
            )
        }
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
        case .imported(let images, let digest): try await recordSuccess(work, images, digest)
        case .same(let images, let digest):
            for image in images where try await store.imageDigest(knownAs: image) == nil {
                // The digest was remembered, the image is not there any more: without the digest it is imported.
                try await store.removeSource(.inbox(name))
                return
            }
            for image in images { try await store.pin(image, by: .inbox(name)) }
            try await recordSame(work, images, digest)
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

    private func recordSuccess(_ work: InboxPlan.Import, _ images: [Image], _ digest: Digest?) async throws {
        let name = work.item.name
        guard let first = images.first else { return }
        let attempts = (work.record?.attempts ?? 0) + 1
        try await store.setSource(
            SourceRecord(
                source: .inbox(name),
                identity: work.item.identity,
                digest: digest,
                image: first.digest,
                furtherImages: images.dropFirst().map(\.digest),
                state: .done,
                attempts: attempts
            )
        )
        let references = images.flatMap(\.claimed)
        let conflicts = try await conflicts(over: references, of: name)
        let reports = images.compactMap(\.imported)
        let timings = finished(name)
        var receipt = Receipt(
            item: name,
            state: .done,
            references: references,
            digest: first.digest,
            layers: first.receiptLayers,
            bytes: .init(
                input: work.item.size,
                read: reports.reduce(0) { $0 + $1.bytesRead },
                added: reports.reduce(0) { $0 + $1.bytesAdded },
                dead: reports.reduce(0) { $0 + $1.deadBytes }
            ),
            timings: timings,
            warnings: reports.flatMap(\.warnings) + conflicts,
            attempts: attempts
        )
        if images.count > 1 {
            receipt.images = images.map {
                .init(digest: $0.digest, references: $0.claimed, layers: $0.receiptLayers)
            }
        }
        receipt.duplicateOf = try await store.sources(pinning: first.digest).map(\.rawValue).first {
            $0.hasPrefix(Source.inboxPrefix) && $0 != Source.inbox(name).rawValue
        }
        await receipts.put(receipt)
        say(
            .info,
            name,
            receipt.duplicateOf.map { "imported: the same image as \($0)" } ?? "imported",
            [
                "ref": "\(references.joined(separator: ","))",
                "image": "\(images.map(\.digest.description).joined(separator: ","))",
                "layers": "\(images.reduce(0) { $0 + $1.layers.count })", "bytes": "\(work.item.size)",
                "seconds": "\(timings?.seconds ?? 0)",
            ]
        )
        for warning in receipt.warnings { say(.warning, name, warning) }
        announced[name] = nil
    }

    /// Which other sources claim the same references for other images.
    private func conflicts(over references: [String], of name: String) async throws -> [String] {
        var warnings: [String] = []
        let own = Source.inbox(name)
        for (reference, claims) in Dictionary(
            grouping: try await store.claims(on: references),
            by: \.reference
        )
        .sorted(by: { $0.key < $1.key }) {
            let image = claims.first { $0.source == own }?.image
            let others = claims.filter { $0.source != own && $0.image != image }
            guard let winner = claims.first, !others.isEmpty else { continue }
            let list = others.map(\.source.rawValue).joined(separator: ", ")
            warnings.append(
                "\(reference) is claimed by \(own) and by \(list) for another image: it means what \(winner.source) says"
            )
        }
        return warnings
    }

    private func recordSame(_ work: InboxPlan.Import, _ images: [Digest], _ digest: Digest) async throws {
        let name = work.item.name
        try await store.setSource(
            SourceRecord(
                source: .inbox(name),
                identity: work.item.identity,
                digest: digest,
                image: images.first,
                furtherImages: Array(images.dropFirst()),
                state: .done,
                attempts: 1
            )
        )
        say(
            .info,
            name,
            "has the content that was imported before",
            ["ref": "\(work.name)", "image": "\(images.map(\.description).joined(separator: ","))"]
        )
        var receipt = Receipt(
            item: name,
            state: .done,
            bytes: .init(input: work.item.size),
            timings: finished(name),
            attempts: 1
        )
        try await describe(images, in: &receipt)
        await receipts.put(receipt)
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
                references: work.reference.map { [$0] } ?? [],
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
                "ref": "\(work.name)", "error_code": "\(error.code.rawValue)", "attempt": "\(attempts)",
                "nextTry": "\(nextTry ?? "when the file changes, or 'slipway retry inbox/\(name)'")",
            ]
        )
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

extension InboxPlan.Import {
    /// What it is called in the log.
    var name: String { reference ?? item.name }
}

extension Image {
    /// The references that were claimed for it just now.
    fileprivate var claimed: [String] { imported.map(\.claimed) ?? references }

    fileprivate var receiptLayers: [Receipt.Layer] {
        layers.map { .init(diffID: $0.diffID, key: $0.key, bytes: $0.bytes) }
    }
}
