public import Logging
public import Store

/// Makes the host match its inputs, pass by pass.
///
/// A pass reads the clock, lets every part observe, plan and apply, and collects. Whatever triggers it (an event, the
/// end of a job, a deadline, the slow timer) says nothing about what it does. Triggers that come while a pass runs
/// make one more pass.
public actor Agent {
    /// Advances the store's clock.
    public typealias Clock = @Sendable () async throws -> StoreTime
    /// Collects garbage, in a pass that began at that time.
    public typealias Collector = @Sendable (StoreTime) async throws -> CollectionOutcome
    /// Hears of every pass.
    public typealias Observer = @Sendable (PassReport) async -> Void

    private var parts: [any Part]
    private let clock: Clock
    private let collect: Collector
    private var rescan: Duration
    private let logger: Logger
    private let trigger: Trigger
    private var timer: Task<Void, Never>?
    private var isStopped = false
    /// What was said last of each part, so that a lasting fault is logged once and its end too.
    private var lastErrors: [String: String] = [:]

    /// An agent that has not started.
    ///
    /// - Parameters:
    ///   - trigger: asks for passes; for this agent alone.
    ///   - rescan: the longest time between two passes.
    public init(
        parts: [any Part],
        trigger: Trigger,
        rescan: Duration,
        logger: Logger,
        clock: @escaping Clock,
        collect: @escaping Collector
    ) {
        self.trigger = trigger
        self.parts = parts
        self.rescan = rescan
        self.logger = logger
        self.clock = clock
        self.collect = collect
    }

    /// Passes until the trigger is finished, the first at once. Parts are stopped before it returns.
    public func run(observer: Observer = { _ in }) async {
        trigger()
        for await _ in trigger.requests {
            timer?.cancel()
            let report = await pass()
            await observer(report)
            schedule(report)
            await rest(after: report.duration)
        }
        await stop()
    }

    /// Passes until nothing is under way or the time is over; parts are stopped before it returns.
    ///
    /// - Returns: the last pass's report.
    public func runOnce(timeout: Duration?) async -> PassReport {
        let deadline = timeout.map { limit in
            Task { [trigger] in
                do { try await Task.sleep(for: limit) } catch { return }
                trigger.finish()
            }
        }
        defer { deadline?.cancel() }
        trigger()
        var report = PassReport()
        for await _ in trigger.requests {
            timer?.cancel()
            report = await pass()
            if report.isSettled { break }
            schedule(report)
            await rest(after: report.duration)
        }
        await stop()
        return report
    }

    /// Goes on with other parts and another rescan. The old ones are stopped first.
    public func replace(parts new: [any Part], rescan: Duration) async {
        for part in parts { await part.stop() }
        parts = new
        self.rescan = rescan
        trigger()
    }

    /// Returns once the agent has a moment: proof that it is not blocked.
    public func answer() {}

    /// One pass. An error in one part is reported and the others go on.
    public func pass() async -> PassReport {
        let start = ContinuousClock.now
        var report = await reconcile()
        report.duration = .now - start
        return report
    }

    private func reconcile() async -> PassReport {
        var report = PassReport()
        let now: StoreTime
        do { now = try await clock() } catch {
            report.errors.append(.init(part: "store", message: "\(error)"))
            note("\(error)", of: "store")
            return report
        }
        note(nil, of: "store")
        report.now = now
        for part in parts {
            do {
                report.outcomes[part.name] = try await part.reconcile(now: now)
                note(nil, of: part.name)
            } catch {
                report.errors.append(.init(part: part.name, message: "\(error)"))
                note("\(error)", of: part.name)
            }
        }
        do {
            let collection = try await collect(now)
            (report.collection, report.collectionDue) = (collection.report, collection.due)
            note(nil, of: "gc")
        } catch {
            report.errors.append(.init(part: "gc", message: "\(error)"))
            note("\(error)", of: "gc")
        }
        return report
    }

    private func note(_ message: String?, of part: String) {
        guard lastErrors[part] != message else { return }
        lastErrors[part] = message
        if let message {
            logger.error("\(message)", metadata: ["component": "\(part)"])
        } else {
            logger.notice("works again", metadata: ["component": "\(part)"])
        }
    }

    /// Sets the timer for the next look that a part asked for, at the latest the rescan.
    private func schedule(_ report: PassReport) {
        // A deadline that has passed already must not make a busy loop.
        let wanted = report.untilNextLook.map { max($0, .milliseconds(50)) } ?? rescan
        let delay = min(wanted, rescan)
        timer = Task { [trigger] in
            do { try await Task.sleep(for: delay) } catch { return }
            trigger()
        }
    }

    /// Where passes take long, as with thousands of imports each of whose ends asks for one, they leave most of the time
    /// to the jobs; what asks for a pass meanwhile is heard afterwards.
    private func rest(after pass: Duration) async {
        guard pass > .milliseconds(50) else { return }
        // Cancelled: the loop sees it next.
        try? await Task.sleep(for: min(pass * 4, .seconds(1)))
    }

    private func stop() async {
        guard !isStopped else { return }
        isStopped = true
        timer?.cancel()
        for part in parts { await part.stop() }
    }
}
