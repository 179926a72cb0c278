import Foundation
import Host
import ImageBackend
import Logging
import Store
import SystemPackage

/// Writes an agent's metrics to a file that node_exporter's textfile collector, or any reader of its form, takes: as a
/// whole by a rename, soon after a pass and at most every few seconds.
actor MetricsFile {
    /// The shortest time between two writes.
    static let interval = Duration.seconds(5)
    /// Figures of the store are good for so many times as long as it took to get them, at most for this long.
    private static let usageWorth = (factor: 50, limit: Duration.seconds(60))

    private let logger: Logger
    private var metrics: Metrics
    private let dirty: AsyncStream<Void>
    private let continuation: AsyncStream<Void>.Continuation
    private var usage: (value: StoreUsage, goodUntil: ContinuousClock.Instant)?
    /// Writes again once figures that were reused are no longer good.
    private var refresh: Task<Void, Never>?
    private var hasFailed = false

    init(logger: Logger) {
        self.logger = logger
        metrics = Metrics(startedAt: Self.now)
        (dirty, continuation) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    }

    /// Seconds since 1970.
    private static var now: Double { Date().timeIntervalSince1970 }

    /// Counts a pass that has just ended.
    func note(_ report: PassReport) {
        metrics.note(report, at: Self.now)
        continuation.yield()
    }

    /// Writes whenever there was a pass, until the task is cancelled.
    ///
    /// - Parameter world: the world of the moment, whose settings say where the file is; nowhere by default.
    func run(_ world: @escaping @Sendable () async -> World) async {
        for await _ in dirty {
            await write(world())
            do { try await Task.sleep(for: Self.interval) } catch { return }
        }
    }

    private func write(_ world: World) async {
        guard let path = world.settings.paths.metrics else { return }
        do {
            let root = world.store.layout.root
            let figures = Metrics.Figures(
                work: world.images.counters.values,
                usage: try await usage(of: world.store),
                fileSystem: try await onThread(named: "metrics") { _ in try FileSystemStatus.of(root) }
            )
            let text = metrics.text(figures)
            try await onThread(named: "metrics") { _ in
                // Whoever collects metrics is another user.
                _ = try AtomicFile.write(text.utf8, to: path, permissions: FilePermissions(rawValue: 0o644))
            }
            if hasFailed { logger.notice("metrics are written again", metadata: ["path": "\(path)"]) }
            hasFailed = false
        } catch {
            if !hasFailed {
                logger.error("metrics cannot be written: \(error)", metadata: ["path": "\(path)"])
            }
            hasFailed = true
        }
    }

    private func usage(of store: Store) async throws -> StoreUsage {
        let start = ContinuousClock.now
        if let usage, start < usage.goodUntil {
            refresh(at: usage.goodUntil)
            return usage.value
        }
        let value = try await store.usage()
        let worth = min((.now - start) * Self.usageWorth.factor, Self.usageWorth.limit)
        usage = (value, .now + worth)
        return value
    }

    private func refresh(at time: ContinuousClock.Instant) {
        refresh?.cancel()
        refresh = Task { [continuation] in
            do { try await Task.sleep(until: time, clock: .continuous) } catch { return }
            continuation.yield()
        }
    }
}
