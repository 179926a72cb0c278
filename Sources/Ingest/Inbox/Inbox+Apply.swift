import Foundation
import Host
import ImageBackend
import Logging
import OCI
public import Store
import SystemPackage

extension Inbox {
    /// Does what a plan says: starts imports in the background, releases what is gone, says what is refused.
    /// What the store refuses to take is logged, and planned anew by the next pass.
    public func apply(_ plan: InboxPlan) async {
        guard !jobs.isStopping else { return }
        self.plan = plan
        log.announce(.inboxFolder, plan.pause.map { ("paused", $0) })
        var imports: [InboxPlan.Import] = []
        for decision in plan.decisions where jobs.isAsSeen(decision.item) {
            do {
                if let work = try await carryOut(decision) { imports.append(work) }
            } catch {
                logger.error(
                    "the inbox cannot act on an item",
                    metadata: ["item": "\(decision.item)", "error": "\(error)"]
                )
            }
        }
        await change(plan.folderChange)
        queue.replace(imports.filter { jobs.mayBegin($0.item.name) })
        startImports()
        await forgetThoseThatWaited()
        await reconcileReceipts()
    }

    /// Carries one decision out, or hands back the import that it asks for.
    private func carryOut(_ decision: InboxPlan.Decision) async throws -> InboxPlan.Import? {
        let name = decision.item
        switch decision.action {
        case .importing(let work): return work
        case .cancel: jobs.cancel(name)
        case .restore(let work, let images):
            for image in images where try await store.imageDigest(knownAs: image) == nil {
                say(
                    .info,
                    name,
                    "its image is gone from the store: importing it again",
                    ["image": "\(image)"]
                )
                return work
            }
            for image in images {
                try await store.pin(image, by: .inbox(name))
                say(.info, name, "its image was no longer pinned: pinned again", ["image": "\(image)"])
            }
        case .consume(let item, let images): try await consume(item, images)
        case .release(let image): try await release(name, image)
        case .wait(let item, let until, let code, let message):
            log.announce(.inbox(name), (code, message), level: until == nil ? .info : .debug)
            await putWaiting(item, code: code, message: message)
        case .refuse(let item, let code, let message): try await refuse(item, code: code, message: message)
        case .leaveAlone(let message):
            // While it was new it may have had a receipt that says so.
            if log.announce(.inbox(name), ("leftAlone", message), level: .info) {
                await receipts.remove(name)
            }
        }
        return nil
    }

    /// Remembers what the folder is, and how it is watched.
    private func change(_ change: InboxPlan.FolderChange?) async {
        let old = observation?.folderRecord
        var new: SourceRecord
        switch (change, old) {
        case (.accept(let inode, let since)?, _):
            new = SourceRecord(
                source: .inboxFolder,
                identity: InboxPlanner.identity(inode),
                state: .done,
                absentSince: since
            )
        case (nil, let old?): new = old
        case (nil, nil): return
        }
        if isWatched != nil {
            new.attempts = lostEvents
            new.errorCode = pollingReason == nil ? nil : InboxCode.polling
            new.message = pollingReason
        }
        guard new != old else { return }
        do { try await store.setSource(new) } catch {
            logger.error("the inbox cannot remember its folder", metadata: ["error": "\(error)"])
        }
    }

    /// Refuses an item: remembered, so that it is said once for each state of the item.
    private func refuse(_ item: InboxItem, code: String, message: String) async throws {
        let old = observation?.records[item.name]
        let attempts = (old?.attempts ?? 0) + 1
        _ = try await store.remember(
            FailedTry(
                source: .inbox(item.name),
                identity: item.memory,
                before: old,
                attempts: attempts,
                code: code,
                message: message
            )
        )
        say(.warning, item.name, "refused: \(message)", ["error_code": "\(code)"])
        await receipts.put(
            Receipt(
                item: item.name,
                state: .failed,
                errorCode: code,
                message: message,
                bytes: .init(input: item.size),
                attempts: attempts
            )
        )
    }

    /// Lets go of what a vanished item claimed and pinned.
    func release(_ name: String, _ image: Digest?) async throws {
        let source = Source.inbox(name)
        let references = try await store.claims(of: source).map(\.reference)
        let held = try await store.winners(of: references).filter { $0.source == source }.map(\.reference)
        let unpinned = try await store.release(source)
        try await store.removeSource(source)
        await receipts.remove(name)
        log.forget(.inbox(name))
        var metadata: Logger.Metadata = [:]
        if let image { metadata["image"] = "\(image)" }
        if !references.isEmpty { metadata["ref"] = "\(references.joined(separator: ","))" }
        if unpinned.isEmpty {
            say(.info, name, "gone from the inbox", metadata)
        } else {
            let deadline = Date(timeIntervalSinceNow: settings.unpinnedTTL / .seconds(1))
            metadata["collectedAfter"] = "\(Receipt.text(deadline))"
            say(
                .warning,
                name,
                "gone from the inbox: its image is no longer pinned and will be collected",
                metadata
            )
        }
        for claim in try await store.winners(of: held) {
            say(
                .info,
                name,
                "\(claim.reference) means again what \(claim.source) says",
                ["ref": "\(claim.reference)", "image": "\(claim.image)"]
            )
        }
    }

    /// Takes a file whose images are safe out of the spool: first they are pinned by hand, under the references
    /// that the item claimed, then the file goes, then the item's own claims. Stopped anywhere in between, the next
    /// pass goes on from there.
    func consume(_ item: InboxItem, _ images: [Digest]) async throws {
        let source = Source.inbox(item.name)
        let claims = try await store.claims(of: source)
        for image in images {
            guard let stored = try await store.image(image) else { return }
            try await store.commitImage(
                stored.record,
                references: claims.filter { $0.image == image }.map(\.reference),
                source: .hand,
                replacing: false
            )
        }
        let path = settings.path
        let scan = InboxScan(path: path, settled: [item.name: item.stamp])
        let isRemoved = try await onThread(named: "inbox") { _ in
            guard let entry = scan.entry(item.name) else { return true }
            guard entry.item.identity == item.identity else { return false }
            try Directory.removeTree(path.appending(item.name))
            try Directory.unlink(path.appending(item.name + InboxName.sidecarEnding))
            try Directory.synchronize(path)
            return true
        }
        guard isRemoved else { return }
        try await store.release(source)
        try await store.removeSource(source)
        if var receipt = await receipts.read(file: ReceiptName.of(item.name)) {
            receipt.removed = true
            await receipts.put(receipt)
        }
        for image in images {
            say(
                .info,
                item.name,
                "removed from the inbox: its image is pinned by hand",
                ["image": "\(image)"]
            )
        }
    }

    /// Asks for another try of an item, whatever became of it.
    ///
    /// - Returns: false when nothing is remembered of it: it is new, or not there.
    @discardableResult
    public func retry(_ item: String) async throws -> Bool {
        jobs.forget(item)
        defer { onChange() }
        return try await Self.retry(item, in: store)
    }

    /// Asks whichever process runs the inbox for another try; its next pass takes it up.
    @discardableResult
    public static func retry(_ item: String, in store: Store) async throws -> Bool {
        try await store.forgetOutcome(of: .inbox(item))
    }

    /// One line about an item.
    func say(_ level: Logger.Level, _ item: String, _ message: String, _ metadata: Logger.Metadata = [:]) {
        log.say(level, .inbox(item), message, metadata)
    }
}
