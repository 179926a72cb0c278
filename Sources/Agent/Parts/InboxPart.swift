public import Ingest
public import Store

/// The inbox as a part of a pass.
public struct InboxPart: Part {
    let inbox: Inbox

    /// Wraps an inbox.
    public init(_ inbox: Inbox) { self.inbox = inbox }

    /// `inbox`
    public var name: String { "inbox" }

    /// One step per item about which something would be done.
    public func preview(now: StoreTime) async throws -> [PlannedStep] {
        let plan = Inbox.plan(try await inbox.observe(now: now))
        var steps = plan.decisions.map { decision in
            PlannedStep(
                part: name,
                item: "inbox/\(decision.item)",
                action: decision.action.verb,
                detail: decision.action.description
            )
        }
        if let pause = plan.pause {
            steps.insert(PlannedStep(part: name, item: "inbox", action: "pause", detail: pause), at: 0)
        }
        return steps
    }

    /// A pass for every item. Imports are started, not waited for.
    public func reconcile(now: StoreTime) async throws -> Outcome {
        try await inbox.reconcile(now: now)
        var outcome = Outcome()
        outcome.nextLook = await inbox.nextDeadline
        for item in await inbox.unfinishedItems() {
            let finding = Outcome.Finding(
                item: "inbox/\(item.item)",
                code: item.code ?? item.state.rawValue,
                message: item.message ?? item.state.rawValue
            )
            switch item.state {
            case .failed: outcome.failures.append(finding)
            // What the activity counts as busy ends by itself; what only waits does not.
            case .waiting where item.code != nil: outcome.waiting.append(finding)
            case .waiting, .running, .done: break
            }
        }
        let activity = await inbox.activity
        if let pause = activity.pause {
            outcome.failures.append(Outcome.Finding(item: "inbox", code: "paused", message: pause))
        }
        if !activity.isIdle {
            let busy =
                "\(activity.running) running, \(activity.queued) queued, \(activity.unsettled) settling"
            outcome.underway.append(Outcome.Finding(item: "inbox", code: "busy", message: busy))
        }
        return outcome
    }

    /// Cancels running imports and waits for them.
    public func stop() async { await inbox.stop() }
}

extension InboxPlan.Action {
    /// What would be done, in a word.
    var verb: String {
        switch self {
        case .importing: "import"
        case .cancel: "cancel"
        case .restore: "pin"
        case .consume: "consume"
        case .release: "release"
        case .wait: "wait"
        case .refuse: "refuse"
        case .leaveAlone: "ignore"
        }
    }
}
