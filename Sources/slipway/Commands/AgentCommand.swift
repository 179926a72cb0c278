import Agent
import ArgumentParser
import Foundation
import Logging
import ServiceLifecycle
import Store
import UnixSignals

/// `slipway agent`
struct AgentCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "agent",
        abstract: "Make the host match its inputs, forever or for one round.",
        discussion: """
            SIGTERM and SIGINT end it in order, SIGHUP reads the configuration again. With --once each item is tried \
            once; the exit code is 3 if anything failed or is unfinished. 75 means that another agent runs on this root.
            """
    )

    @Flag(help: "Run one round: until files have settled and jobs have ended.")
    var once = false

    @Option(
        help: ArgumentHelp("With --once, stop after this long, such as 90s or 10m.", valueName: "duration")
    )
    var timeout: DurationArgument?

    @OptionGroup var options: GlobalOptions

    func validate() throws {
        if timeout != nil && !once { throw ValidationError("--timeout goes with --once") }
    }

    func run() async throws {
        let session = try Session(options, logLevel: .info)
        let logger = session.logger
        for warning in session.loaded.warnings {
            logger.warning("\(warning)", metadata: ["component": "config"])
        }
        try Ownership.assume(of: session.settings.paths.store.root, root: session.settings.root)
        let lock = try AgentLock(session.settings.paths.agentLock)
        defer { withExtendedLifetime(lock) {} }
        let world = try await session.open()
        if once {
            try await runOnce(OneRound(world: world, logger: logger), logger)
        } else {
            try await runForever(world, logger)
        }
    }

    private func runOnce(_ round: OneRound, _ logger: Logger) async throws {
        let signals = await UnixSignalsSequence(trapping: .sigterm, .sigint)
        let timeout = timeout?.duration
        let report = await withTaskGroup(of: PassReport?.self) { group in
            group.addTask { await round.run(timeout: timeout) }
            group.addTask {
                for await signal in signals {
                    logger.notice("\(signal): stopping")
                    break
                }
                return nil
            }
            // Whichever is first, the other is told to end, and the round's report is waited for.
            var report: PassReport?
            for await result in group {
                report = result ?? report
                group.cancelAll()
            }
            return report ?? PassReport()
        }
        for finding in report.failures + report.underway + report.waiting {
            logger.warning(
                "not as its input wants it: \(finding.message)",
                metadata: ["item": "\(finding.item)", "error_code": "\(finding.code)"]
            )
        }
        logger.notice("\(report.summary)")
        guard report.isComplete else { throw ExitCode(ExitStatus.partial.rawValue) }
    }

    private func runForever(_ world: World, _ logger: Logger) async throws {
        let (reloads, continuation) = AsyncStream.makeStream(
            of: Settings.self,
            bufferingPolicy: .bufferingNewest(1)
        )
        let service = AgentService(
            world: world,
            environment: ProcessInfo.processInfo.environment,
            reloads: reloads,
            logger: logger
        )
        var lifecycle = Logger(label: "slipway.lifecycle")
        lifecycle.logLevel = max(logger.logLevel, .warning)
        var configuration = ServiceGroupConfiguration(
            services: [ReloadService(options: options, logger: logger, continuation: continuation), service],
            gracefulShutdownSignals: [.sigterm, .sigint],
            logger: lifecycle
        )
        // Jobs are cancelled at once and end within moments; one that hangs in the kernel is systemd's to kill.
        configuration.maximumGracefulShutdownDuration = .seconds(20)
        logger.notice("the agent starts", metadata: ["path": "\(world.settings.root)"])
        try await ServiceGroup(configuration: configuration).run()
        logger.notice("the agent has stopped")
    }
}

/// Reads the configuration again on SIGHUP. A bad one changes nothing.
private struct ReloadService: Service {
    let options: GlobalOptions
    let logger: Logger
    let continuation: AsyncStream<Settings>.Continuation

    func run() async throws {
        for await _ in await UnixSignalsSequence(trapping: .sighup).cancelOnGracefulShutdown() {
            do {
                let loaded = try options.load()
                for warning in loaded.warnings {
                    logger.warning("\(warning)", metadata: ["component": "config"])
                }
                continuation.yield(loaded.settings)
            } catch {
                logger.error("the old settings stay: \(error)", metadata: ["component": "config"])
            }
        }
        continuation.finish()
    }
}
