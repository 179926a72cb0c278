/// Runs a collection over every registered module, or over none. Runs follow one another, never overlap.
public actor Orchestrator {
    /// What a run found and did.
    public struct Report: Sendable, Codable, Hashable {
        /// What looked like garbage.
        public var candidates: [Candidate] = []
        /// What was deleted; empty for a dry run.
        public var collected: [Collected] = []
        /// How long until something of what was kept becomes garbage by time alone; nil when nothing will.
        public var untilDue: Duration?

        /// Creates a report; by default of a run that found nothing.
        public init(
            candidates: [Candidate] = [],
            collected: [Collected] = [],
            untilDue: Duration? = nil
        ) {
            self.candidates = candidates
            self.collected = collected
            self.untilDue = untilDue
        }

        /// Bytes freed.
        public var bytes: UInt64 { collected.reduce(0) { $0 + $1.bytes } }
    }

    private var modules: [any Module] = []
    private var lastRun: Task<Report, any Error>?

    /// An orchestrator without modules.
    public init() {}

    /// Adds a module. One of the same name takes its place.
    public func register(_ module: some Module) {
        modules.removeAll { $0.name == module.name }
        modules.append(module)
    }

    /// Snapshots every module, resolves, and (unless `dryRun`) collects, in the order of registration.
    ///
    /// - Throws: ``ModuleError`` when a module cannot be read or resolved: nothing was deleted then.
    ///   ``CollectionError`` when modules failed to collect; it carries what the others did.
    ///   `CancellationError` when the task was cancelled before anything was deleted.
    public func run(dryRun: Bool = false) async throws -> Report {
        // An actor lets a second call in while the first waits for a module; so each run waits for the one before.
        let previous = lastRun
        let task = Task {
            // How the previous run ended concerns its caller only.
            _ = await previous?.result
            try Task.checkCancellation()
            return try await collect(modules, dryRun: dryRun)
        }
        lastRun = task
        return try await withTaskCancellationHandler {
            try await task.value
        } onCancel: {
            task.cancel()
        }
    }

    private func collect(_ modules: [any Module], dryRun: Bool) async throws -> Report {
        var snapshots = Snapshots()
        for module in modules {
            try await attributing(to: module) {
                snapshots.insert(try await module.snapshot(), of: module.name)
            }
        }
        var plans: [(module: any Module, candidates: [Candidate])] = []
        for module in modules {
            let candidates = try await attributing(to: module) { try module.candidates(among: snapshots) }
            plans.append((module, candidates))
        }
        try Task.checkCancellation()
        var report = Report(
            candidates: plans.flatMap(\.candidates),
            untilDue: modules.compactMap { $0.untilDue(among: snapshots) }.min()
        )
        guard !dryRun else { return report }
        var failures: [ModuleError] = []
        for (module, candidates) in plans where !candidates.isEmpty {
            do { report.collected += try await module.collect(candidates) } catch {
                failures.append(ModuleError(module: module.name, underlying: error))
            }
        }
        guard failures.isEmpty else { throw CollectionError(report: report, failures: failures) }
        return report
    }

    private func attributing<Success>(
        to module: any Module,
        _ body: () async throws -> Success
    ) async throws -> Success {
        do { return try await body() } catch is CancellationError { throw CancellationError() } catch {
            throw ModuleError(module: module.name, underlying: error)
        }
    }
}

extension Module {
    /// Resolves the module's own snapshot, of the type that it made.
    fileprivate func candidates(among snapshots: Snapshots) throws -> [Candidate] {
        guard let own = snapshots.snapshot(of: name, as: Snapshot.self) else { return [] }
        return try resolve(own, others: snapshots)
    }

    fileprivate func untilDue(among snapshots: Snapshots) -> Duration? {
        snapshots.snapshot(of: name, as: Snapshot.self).flatMap(untilDue)
    }
}
