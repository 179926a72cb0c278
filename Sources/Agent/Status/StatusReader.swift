import Host
import Ingest
import OCI
import Provisioning
import Store
import SystemPackage

extension World {
    /// Reads how the host stands from the store, receipts and the VMs' own status. Works beside an agent and without.
    public func status() async throws -> StatusReport {
        let paths = settings.paths
        let now = try await store.tick()
        let agentRuns = try AgentLock.isHeld(paths.agentLock)
        let (inbox, inboxItems) = try await inboxReport(now: now, agentRuns: agentRuns)
        let items = try await inboxItems + queueItems(now: now) + vmItems(now: now)
        let images = try await store.images()
        let unpinned = images.compactMap { image -> StatusReport.Unpinned? in
            guard let since = image.unpinnedAt, image.pins.isEmpty, image.boundVMs.isEmpty else { return nil }
            let left = since + settings.gc.unpinnedTTL - now
            return StatusReport.Unpinned(
                image: image.record.digest,
                references: image.references,
                secondsLeft: max(0, left.components.seconds)
            )
        }
        let conflicts = Dictionary(grouping: try await store.claims(), by: \.reference).compactMap {
            reference,
            claims -> StatusReport.Conflict? in
            guard Set(claims.map(\.image)).count > 1 else { return nil }
            return StatusReport.Conflict(reference: reference, sources: claims.map(\.source))
        }
        return StatusReport(
            root: paths.root.string,
            agentRuns: agentRuns,
            inbox: inbox,
            items: items,
            unpinned: unpinned,
            conflicts: conflicts.sorted { $0.reference < $1.reference }
        )
    }

    /// What lies in the inbox, in the words of the receipts where there are any, and how it is watched.
    private func inboxReport(now: StoreTime, agentRuns: Bool) async throws -> (
        StatusReport.Inbox, [StatusReport.Item]
    ) {
        let inbox = inbox(onChange: {})
        let observation = try await inbox.observe(now: now)
        var items: [StatusReport.Item] = []
        for item in await inbox.items() {
            var result = StatusReport.Item(
                name: "inbox/\(item.item)",
                state: item.state.rawValue,
                reason: item.code,
                message: item.message,
                reference: item.reference,
                image: item.image,
                attempts: item.attempts,
                bytes: item.size
            )
            let receipt = try Receipt.read(settings.paths.inboxReceipts.appending(ReceiptName.of(item.item)))
            // A look of one moment cannot tell whether a new file has settled: the agent can.
            if item.state == .waiting, let receipt, receipt.state != .done {
                result.state = receipt.state.rawValue
                result.reason = receipt.errorCode
                result.message = receipt.message
            }
            if receipt?.state == .running, agentRuns { result.bytesDone = receipt?.bytes.read }
            if let references = receipt?.references, !references.isEmpty {
                result.reference = references.joined(separator: ", ")
            }
            if let other = receipt?.duplicateOf, result.message == nil {
                result.message = "\(result.reference ?? ""): the same image as \(other)"
            }
            result.nextTry = receipt?.nextTry
            items.append(result)
        }
        let folder = observation.folderRecord
        let summary = StatusReport.Inbox(
            path: settings.paths.inbox.string,
            items: items.count,
            bytes: items.reduce(0) { $0 + ($1.bytes ?? 0) },
            pause: Inbox.plan(observation).pause,
            polling: agentRuns ? folder?.message : nil,
            lostEvents: agentRuns ? folder?.attempts ?? 0 : 0
        )
        return (summary, items.sorted { $0.name < $1.name })
    }

    /// What the queue lists, in the words of the receipts where there are any.
    private func queueItems(now: StoreTime) async throws -> [StatusReport.Item] {
        let queue = queue(onChange: {})
        _ = try await queue.observe(now: now)
        return try await queue.items().map { item in
            var result = StatusReport.Item(
                name: item.source.rawValue,
                state: item.state.rawValue,
                reason: item.code,
                message: item.message,
                reference: item.reference,
                image: item.image,
                attempts: item.attempts
            )
            guard let reference = item.reference else { return result }
            let receipt = try Receipt.read(settings.paths.queueReceipts.appending(ReceiptName.of(reference)))
            if item.state == .waiting, let receipt, receipt.state == .running {
                result.state = receipt.state.rawValue
            }
            if receipt?.state == item.state { result.nextTry = receipt?.nextTry }
            return result
        }
    }

    private func vmItems(now: StoreTime) async throws -> [StatusReport.Item] {
        let vms = vms()
        var items = try await vms.list().map { status in
            StatusReport.Item(
                name: "vm/\(status.name)",
                state: status.phase.rawValue,
                reason: status.reason.rawValue,
                message: status.message,
                reference: status.image?.reference,
                image: status.image?.bound,
                running: status.running
            )
        }
        // Requests that no VM has come of yet.
        let observation = try await vms.observe(now: now)
        let plan = VMs.plan(observation)
        let known = Set(items.map(\.name))
        for step in plan.steps where !known.contains("vm/\(step.name)") && step.file != nil {
            items.append(
                StatusReport.Item(
                    name: "vm/\(step.name)",
                    state: step.phase == .ready ? "waiting" : step.phase.rawValue,
                    reason: step.phase == .ready ? "new" : step.reason.rawValue,
                    message: step.message,
                    reference: step.reference,
                    running: false
                )
            )
        }
        for problem in plan.problems {
            items.append(
                StatusReport.Item(
                    name: "request/\(problem.file)",
                    state: "invalid",
                    reason: problem.reason.rawValue,
                    message: problem.message
                )
            )
        }
        if let unavailable = plan.unavailable {
            items.append(
                StatusReport.Item(name: "vms", state: "invalid", reason: "unavailable", message: unavailable)
            )
        }
        return items.sorted { $0.name < $1.name }
    }
}
