import Foundation
import Host
import ImageBackend
import Logging
import OCI
import Store

extension Inbox {
    /// Starts imports until as many run as may.
    func startImports() {
        while !jobs.isStopping {
            let large = jobs.running.values.count { ImportQueue.isLarge($0.work) }
            let next = queue.next(
                running: jobs.running.count,
                runningLarge: large,
                limit: settings.conversions
            )
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
        log.forget(.inbox(name))
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
        jobs.begin(name, as: work.item.identity, work, progress, timings, task: task)
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
        jobs.end(name)
        startImports()
        if !jobs.isStopping { onChange() }
    }

    /// Stops what runs and waits for it; what was asked to be written is written. The inbox does nothing afterwards.
    public func stop() async {
        queue.replace([])
        for task in jobs.stop() { await task.value }
        await receipts.flush()
    }
}

extension InboxPlan.Import {
    /// What it is called in the log.
    var name: String { reference ?? item.name }
}
