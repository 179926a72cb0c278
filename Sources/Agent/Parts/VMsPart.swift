public import Ingest
public import Provisioning
public import Store

/// The VMs as a part of a pass.
public struct VMsPart: Part {
    let vms: VMs
    /// Pulls what requests want from registries; nil where nothing is pulled.
    let queue: Queue?

    /// Wraps the VMs.
    public init(_ vms: VMs, queue: Queue? = nil) {
        self.vms = vms
        self.queue = queue
    }

    /// `vms`
    public var name: String { "vms" }

    /// One step per VM about which something would be done or said anew.
    public func preview(now: StoreTime) async throws -> [PlannedStep] {
        let plan = VMs.plan(try await vms.observe(now: now))
        var steps = plan.steps.map { step in
            let detail = step.message.isEmpty ? step.reference ?? "" : step.message
            return PlannedStep(
                part: name,
                item: "vm/\(step.name)",
                action: step.action.rawValue,
                detail: detail
            )
        }
        steps += plan.problems.map {
            PlannedStep(part: name, item: "request/\($0.file)", action: "refuse", detail: $0.message)
        }
        if let unavailable = plan.unavailable {
            steps.insert(PlannedStep(part: name, item: "vms", action: "pause", detail: unavailable), at: 0)
        }
        return steps
    }

    /// A pass for every VM.
    public func reconcile(now: StoreTime) async throws -> Outcome {
        if let queue { await vms.notePulls(await queue.pullStandings()) }
        let done = try await vms.reconcile(now: now)
        var outcome = Outcome()
        outcome.nextLook = await vms.nextDeadline
        let standing = await vms.standing
        // Of ten thousand, nearly all are ready.
        for status in standing.statuses where status.phase != .ready && status.phase != .retiring {
            let finding = Outcome.Finding(
                item: "vm/\(status.name)",
                code: status.reason.rawValue,
                message: status.message
            )
            if status.phase == .waiting {
                outcome.waiting.append(finding)
            } else {
                outcome.failures.append(finding)
            }
        }
        for problem in standing.problems {
            outcome.failures.append(
                Outcome.Finding(
                    item: "request/\(problem.file)",
                    code: problem.reason.rawValue,
                    message: problem.message
                )
            )
        }
        for file in standing.settling {
            outcome.underway.append(
                Outcome.Finding(
                    item: "request/\(file)",
                    code: "settling",
                    message: "it may still be being written"
                )
            )
        }
        if standing.isMerging {
            outcome.underway.append(
                Outcome.Finding(
                    item: "vms",
                    code: "merging",
                    message: "layers are being merged into one disk"
                )
            )
        }
        // What the world changed under a step's feet is planned anew at once.
        for step in done where step.result == .superseded {
            outcome.underway.append(
                Outcome.Finding(item: "vm/\(step.name)", code: "superseded", message: step.message)
            )
            outcome.nextLook = now
        }
        if let queue, let wishes = await vms.wishes {
            let entries = wishes.map {
                QueueEntry.wish($0.reference, isNeeded: $0.isNeeded, asking: $0.asking)
            }
            // The queue's turn in this pass is over.
            if await queue.wish(entries), entries.contains(where: \.isNeeded) {
                outcome.underway.append(
                    Outcome.Finding(item: "vms", code: "pulling", message: "images are pulled for requests")
                )
                outcome.nextLook = now
            }
        }
        if let unavailable = standing.unavailable {
            outcome.failures.append(Outcome.Finding(item: "vms", code: "unavailable", message: unavailable))
        }
        return outcome
    }

    /// Ends the merging of layers.
    public func stop() async { await vms.stop() }
}
