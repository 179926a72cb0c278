import GarbageCollection
import Host
import ImageBackend
import Store

/// What an agent counts over its passes, and the figures that it shows with that.
struct Metrics: Sendable {
    private let started: Double
    private var passes: UInt64 = 0
    private var passSeconds = 0.0
    private var lastPass = 0.0
    private var lastComplete: Double?
    private var isComplete = false
    private var partErrors: [String: UInt64] = [:]
    private var unsettled: [Unsettled: UInt64] = [:]
    private var collected: [String: UInt64] = [:]
    private var collectedBytes: UInt64 = 0

    private struct Unsettled: Hashable {
        var part, state, code: String
    }

    /// - Parameter time: seconds since 1970.
    init(startedAt time: Double) { started = time }

    /// Counts a pass.
    ///
    /// - Parameter time: when it ended, in seconds since 1970.
    mutating func note(_ report: PassReport, at time: Double) {
        passes += 1
        passSeconds += report.duration / .seconds(1)
        lastPass = time
        isComplete = report.isComplete
        if isComplete { lastComplete = time }
        for error in report.errors { partErrors[error.part, default: 0] += 1 }
        unsettled = [:]
        for (part, outcome) in report.outcomes {
            for (state, findings) in [
                ("failed", outcome.failures), ("underway", outcome.underway), ("waiting", outcome.waiting),
            ] {
                for finding in findings {
                    unsettled[Unsettled(part: part, state: state, code: finding.code), default: 0] += 1
                }
            }
        }
        for item in report.collection?.collected ?? [] {
            collected[item.candidate.kind, default: 0] += 1
            collectedBytes += item.bytes
        }
    }

    /// Figures that are read when they are shown.
    struct Figures: Sendable {
        var work: BackendCounters.Values
        var usage: StoreUsage
        var fileSystem: FileSystemStatus
    }

    /// Everything, in the form that Prometheus reads.
    func text(_ figures: Figures) -> String {
        (own + work(figures.work) + space(figures)).map(\.text).joined()
    }

    private var own: [MetricFamily] {
        var families = [
            MetricFamily(
                "slipway_build_info",
                .gauge,
                "Always 1; the label says which version runs.",
                samples: [.init(labels: ["version": slipwayVersion], value: .count(1))]
            ),
            MetricFamily(
                "slipway_start_time_seconds",
                .gauge,
                "When the agent started, in seconds since 1970.",
                .seconds(started)
            ),
            MetricFamily("slipway_passes_total", .counter, "Passes since the start.", .count(passes)),
            MetricFamily(
                "slipway_pass_seconds_total",
                .counter,
                "Seconds that these passes took.",
                .seconds(passSeconds)
            ),
            MetricFamily(
                "slipway_last_pass_timestamp_seconds",
                .gauge,
                "When the last pass ended, in seconds since 1970.",
                .seconds(lastPass)
            ),
            MetricFamily(
                "slipway_complete",
                .gauge,
                "1 if everything was as the inputs want it after the last pass, else 0.",
                .count(isComplete ? 1 : 0)
            ),
        ]
        if let lastComplete {
            families.append(
                MetricFamily(
                    "slipway_last_complete_timestamp_seconds",
                    .gauge,
                    "When everything was last as the inputs want it, in seconds since 1970.",
                    .seconds(lastComplete)
                )
            )
        }
        families.append(
            MetricFamily(
                "slipway_unsettled_items",
                .gauge,
                "Items that are not as their input wants them, by the code that status shows.",
                samples: unsettled.sorted { Self.precedes($0.key, $1.key) }.map { item, count in
                    .init(
                        labels: ["part": item.part, "state": item.state, "code": item.code],
                        value: .count(count)
                    )
                }
            )
        )
        return families + [
            MetricFamily(
                "slipway_part_errors_total",
                .counter,
                "Passes in which a part could not be reconciled, or nothing collected.",
                by: "part",
                partErrors
            ),
            MetricFamily(
                "slipway_collected_total",
                .counter,
                "What was collected, by kind.",
                by: "kind",
                collected
            ),
            MetricFamily(
                "slipway_collected_bytes_total",
                .counter,
                "Bytes that freed.",
                .count(collectedBytes)
            ),
        ]
    }

    private static func precedes(_ first: Unsettled, _ second: Unsettled) -> Bool {
        (first.part, first.state, first.code) < (second.part, second.state, second.code)
    }

    private func work(_ work: BackendCounters.Values) -> [MetricFamily] {
        func byResult(_ counts: [BackendCounters.Result: UInt64]) -> [String: UInt64] {
            // All of them from the start: a rate needs the zero that came before the first.
            BackendCounters.Result.allCases.reduce(into: [:]) { $0[$1.rawValue] = counts[$1] ?? 0 }
        }
        return [
            MetricFamily(
                "slipway_imports_total",
                .counter,
                "Imports that ended, by how.",
                by: "result",
                byResult(work.imports)
            ),
            MetricFamily(
                "slipway_pulls_total",
                .counter,
                "Pulls that ended, by how.",
                by: "result",
                byResult(work.pulls)
            ),
            MetricFamily(
                "slipway_import_bytes_total",
                .counter,
                "Bytes that imports read.",
                .count(work.bytesRead)
            ),
            MetricFamily(
                "slipway_pull_bytes_total",
                .counter,
                "Bytes that pulls fetched.",
                .count(work.bytesFetched)
            ),
            MetricFamily(
                "slipway_blob_bytes_total",
                .counter,
                "Bytes of blobs written.",
                .count(work.bytesAdded)
            ),
        ]
    }

    private func space(_ figures: Figures) -> [MetricFamily] {
        let usage = figures.usage
        return [
            MetricFamily(
                "slipway_images",
                .gauge,
                "Images in the store.",
                .count(UInt64(usage.images.count))
            ),
            MetricFamily(
                "slipway_store_bytes",
                .gauge,
                "Bytes that the store takes, by kind.",
                by: "kind",
                [
                    "blobs": usage.blobBytes, "boot": usage.bootBytes, "merged": usage.mergedBytes,
                    "partial": usage.partialBytes, "temp": usage.tempBytes, "trash": usage.trashBytes,
                    "templates": usage.templateBytes, "index": usage.indexBytes,
                ]
            ),
            MetricFamily(
                "slipway_file_system_used_bytes",
                .gauge,
                "Bytes in use on the store's file system.",
                .count(figures.fileSystem.usedBytes)
            ),
            MetricFamily(
                "slipway_file_system_available_bytes",
                .gauge,
                "Bytes available on the store's file system.",
                .count(figures.fileSystem.availableBytes)
            ),
        ]
    }
}
