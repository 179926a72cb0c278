public import Ingest
public import Store

/// The queue as a part of a pass.
public struct QueuePart: Part {
    let queue: Queue

    /// Wraps a queue.
    public init(_ queue: Queue) { self.queue = queue }

    /// `queue`
    public var name: String { "queue" }

    /// One step per line about which something would be done.
    public func preview(now: StoreTime) async throws -> [PlannedStep] {
        let plan = Queue.plan(try await queue.observe(now: now))
        var steps = plan.decisions.map { decision in
            PlannedStep(
                part: name,
                item: decision.source.rawValue,
                action: decision.action.verb,
                detail: decision.action.description
            )
        }
        steps += plan.problems.map {
            PlannedStep(part: name, item: "queue:\($0.line)", action: "refuse", detail: $0.message)
        }
        if let pause = plan.pause {
            steps.insert(PlannedStep(part: name, item: "queue", action: "pause", detail: pause), at: 0)
        }
        return steps
    }

    /// A pass for every line. Pulls are started, not waited for.
    public func reconcile(now: StoreTime) async throws -> Outcome {
        await queue.apply(Queue.plan(try await queue.observe(now: now)))
        var outcome = Outcome()
        outcome.nextLook = await queue.nextDeadline
        for item in await queue.items() where item.state == .failed {
            outcome.failures.append(
                Outcome.Finding(
                    item: item.source.rawValue,
                    code: item.code ?? item.state.rawValue,
                    message: item.message ?? item.state.rawValue
                )
            )
        }
        let activity = await queue.activity
        if let pause = activity.pause {
            outcome.failures.append(Outcome.Finding(item: "queue", code: "paused", message: pause))
        }
        if !activity.isIdle {
            let busy =
                "\(activity.running) running, \(activity.queued) queued"
                + (activity.isSettling ? ", settling" : "")
            outcome.underway.append(Outcome.Finding(item: "queue", code: "busy", message: busy))
        }
        return outcome
    }

    /// Cancels running pulls and waits for them.
    public func stop() async { await queue.stop() }
}

extension QueuePlan.Action {
    /// What would be done, in a word.
    var verb: String {
        switch self {
        case .pull(let pull): pull.reason == .refresh ? "refresh" : "pull"
        case .cancel: "cancel"
        case .restore: "pin"
        case .release: "release"
        case .refuse: "refuse"
        }
    }
}
