public import Logging
import ServiceLifecycle
import Store

/// `agent --once`: passes until files have settled and jobs have ended, each item tried once. Nothing is watched: the
/// passes themselves look often enough.
public struct OneRound: Sendable {
    private let world: World
    private let logger: Logger

    /// Creates the round. Its lock on the root is the caller's to hold.
    public init(world: World, logger: Logger) {
        self.world = world
        self.logger = logger
    }

    /// Runs the round; a graceful shutdown, cancellation or the end of `timeout` ends it early.
    ///
    /// - Returns: how things stand after the last pass.
    public func run(timeout: Duration?) async -> PassReport {
        let trigger = Trigger()
        let crew = Crew(world, trigger: trigger, triesOnce: true)
        let agent = await Agent(
            parts: crew.parts,
            trigger: trigger,
            rescan: .seconds(1),
            logger: logger,
            clock: { [store = world.store] in try await store.tick() },
            collect: { now in try await crew.collect(now: now) }
        )
        return await withTaskCancellationOrGracefulShutdownHandler {
            await agent.runOnce(timeout: timeout)
        } onCancelOrGracefulShutdown: {
            trigger.finish()
        }
    }
}
