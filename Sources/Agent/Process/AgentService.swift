import GarbageCollection
import Ingest
public import Logging
import ServiceLifecycle
import Store
import SystemPackage

/// The agent as a service: passes, watches folders, reports to systemd, takes new settings, and stops in order.
public struct AgentService: Service {
    private let world: World
    private let manager: ServiceManager
    private let reloads: AsyncStream<Settings>
    private let logger: Logger

    /// Creates the service. Its lock on the root is the caller's to hold.
    ///
    /// - Parameters:
    ///   - environment: where systemd says how to reach it.
    ///   - reloads: settings to go on with, as they come.
    public init(
        world: World,
        environment: [String: String],
        reloads: AsyncStream<Settings>,
        logger: Logger
    ) {
        self.world = world
        manager = ServiceManager(environment: environment)
        self.reloads = reloads
        self.logger = logger
    }

    /// Runs until a graceful shutdown or cancellation; running jobs are cancelled and have ended when it returns.
    public func run() async throws {
        let trigger = Trigger()
        let crew = Crew(world, trigger: trigger, triesOnce: false)
        let agent = await Agent(
            parts: crew.parts,
            trigger: trigger,
            rescan: world.settings.inbox.rescan,
            logger: logger,
            clock: { [store = world.store] in try await store.tick() },
            collect: { now in try await crew.collect(now: now) }
        )
        let watching = Watching(
            // No input has a hidden name, unless the queue is given one.
            watcher: FolderWatcher(
                skipsHidden: world.settings.paths.queue.lastComponent?.string.hasPrefix(".") != true
            ),
            folders: { await crew.watchedFolders() },
            deliver: { await crew.deliver($0) },
            trigger: { trigger() }
        )
        let summary = Summary(manager: manager, logger: logger)
        let metrics = MetricsFile(logger: logger.component("metrics"))
        await withTaskCancellationOrGracefulShutdownHandler {
            await withTaskGroup(of: Void.self) { group in
                group.addTask { await watching.run() }
                group.addTask { await sendHeartbeats(of: agent) }
                group.addTask { await takeReloads(crew, agent) }
                group.addTask { await metrics.run { await crew.world } }
                await agent.run { report in
                    await watching.refresh()
                    await summary.tell(report)
                    await metrics.note(report)
                }
                manager.report(.stopping, logger: logger)
                await watching.watcher.stop()
                group.cancelAll()
            }
        } onCancelOrGracefulShutdown: {
            trigger.finish()
        }
    }

    /// Tells the watchdog that the agent answers. A pass that hangs in a system call answers too: only a blocked
    /// process is worth a restart.
    private func sendHeartbeats(of agent: Agent) async {
        guard let interval = manager.watchdogInterval else { return }
        while !Task.isCancelled {
            await agent.answer()
            manager.report(.watchdog, logger: logger)
            do { try await Task.sleep(for: interval) } catch { return }
        }
    }

    private func takeReloads(_ crew: Crew, _ agent: Agent) async {
        for await settings in reloads {
            guard settings.root == world.settings.root else {
                logger.error("the root cannot change while the agent runs: restart it for \(settings.root)")
                continue
            }
            await crew.adopt(settings)
            await agent.replace(parts: crew.parts, rescan: settings.inbox.rescan)
            logger.notice("new settings are in force")
        }
    }
}

/// Says how passes went: to systemd always, to the log when it changed.
private actor Summary {
    private let manager: ServiceManager
    private let logger: Logger
    private var isReady = false
    private var lastLine = ""

    init(manager: ServiceManager, logger: Logger) {
        self.manager = manager
        self.logger = logger
    }

    func tell(_ report: PassReport) {
        let line = report.summary
        if !isReady {
            isReady = true
            manager.report(.ready, .status(line), logger: logger)
            logger.notice("the first pass is done: \(line)")
        } else if line != lastLine {
            manager.report(.status(line), logger: logger)
        }
        lastLine = line
        guard let collected = report.collection?.collected, !collected.isEmpty else { return }
        for item in collected {
            logger.info(
                "collected: \(item.candidate.reason)",
                metadata: [
                    "component": "gc", "item": "\(item.candidate.kind)/\(item.candidate.id)",
                    "bytes": "\(item.bytes)",
                ]
            )
        }
    }
}

extension PassReport {
    /// One line: what is well, under way, waiting and wrong.
    public var summary: String {
        if !errors.isEmpty { return errors.map { "\($0.part): \($0.message)" }.joined(separator: "; ") }
        if isComplete { return "everything is as the inputs want it" }
        let counts = [(underway.count, "under way"), (waiting.count, "waiting"), (failures.count, "failed")]
        return counts.filter { $0.0 > 0 }.map { "\($0.0) \($0.1)" }.joined(separator: ", ")
    }
}
