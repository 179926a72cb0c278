import Documents
public import GarbageCollection
import Host
public import ImageBackend
public import Logging
import OCI
public import Snapshots
public import Store
import SystemPackage

/// The VMs of a host: what the requests ask for is what lies in the folder of VMs.
///
/// A pass is `observe`, `plan`, `apply`. What a crash leaves half done at any point, the next pass completes.
public actor VMs {
    /// How they are kept.
    public nonisolated let settings: VMSettings

    nonisolated let store: Store
    nonisolated let images: any Images
    nonisolated let snapshots: any Snapshotter
    nonisolated let logger: Logger
    nonisolated let wallClock: WallClock
    nonisolated let onChange: @Sendable () -> Void

    var folder: RequestsFolder
    /// Files that events called finished since the last look, with the time.
    var finished: [(name: String, isComplete: Bool, time: Int64)] = []
    /// What was said last of every VM.
    var statuses: [String: VMStatus] = [:] { didSet { changes += 1 } }
    /// Configs that this process wrote: what they were made from, and the files as they were then.
    var rendered: [String: Rendered] = [:] { didSet { changes += 1 } }
    /// Inputs that no config can be made from.
    var refused: [String: VMObservation.Refusal] = [:] { didSet { changes += 1 } }
    /// Layers that are being merged into one disk, by the disk's id.
    var merges: [Digest: Task<Void, Never>] = [:]
    /// Why merging failed, until it is said.
    var mergeFailures: [Digest: any Error] = [:]
    /// What tells this folder of VMs from others, once it was read.
    var knownIdentity: String?
    /// The last observation, and what it was made of.
    var lastObservation: VMObservation? { didSet { knownWishes = nil } }
    var lastLook: VMsLook?
    /// What was seen when there was nothing to do: as long as the same is seen, there is not.
    var quiet: Quiet?
    var lastPlan: VMPlan?
    var settlesAt: Int64?
    var pulls: [String: PullStanding] = [:]
    /// Whether what killed processes left was removed.
    var hasSwept = false
    /// How often what this process knows beside the world changed.
    var changes = 0
    /// What the requests of the last look name.
    var knownDataDisks: [String: [String]] = [:]
    var knownReferences: Set<String> = []
    private var knownWishes: [ImageWish]?
    private var knownStanding: (changes: Int, statuses: [VMStatus])?

    struct Rendered: Sendable {
        var inputs: VMObservation.Inputs
        var files: GeneratedFiles
    }

    /// Creates a value that has seen nothing yet.
    ///
    /// - Parameter onChange: called when something ended that a VM waits for: a pass should follow.
    public init(
        settings: VMSettings,
        store: Store,
        images: any Images,
        snapshots: any Snapshotter,
        logger: Logger,
        onChange: @escaping @Sendable () -> Void = {}
    ) {
        self.init(
            settings: settings,
            store: store,
            images: images,
            snapshots: snapshots,
            logger: logger,
            wallClock: .system,
            onChange: onChange
        )
    }

    init(
        settings: VMSettings,
        store: Store,
        images: any Images,
        snapshots: any Snapshotter,
        logger: Logger,
        wallClock: WallClock,
        onChange: @escaping @Sendable () -> Void = {}
    ) {
        self.settings = settings
        self.store = store
        self.images = images
        self.snapshots = snapshots
        self.logger = logger
        self.wallClock = wallClock
        self.onChange = onChange
        folder = Self.requestsFolder(settings)
    }

    static func requestsFolder(_ settings: VMSettings, settle: Duration? = nil) -> RequestsFolder {
        RequestsFolder(
            settings.requests,
            settle: settle ?? settings.settle,
            allowsWorldWritable: settings.allowsWorldWritableRequests,
            defaults: settings.defaults
        )
    }

    /// The module that collects retired VMs.
    public nonisolated var gcModule: any Module {
        VMCollector(settings: settings, store: store, logger: logger)
    }

    // MARK: Events

    /// An event said that a file was closed by its writer in the requests folder, or renamed into it, which makes it
    /// complete. A pass should follow.
    public func noteFinished(_ fileName: String, isComplete: Bool = false) {
        finished.append((fileName, isComplete, MonotonicTime.now()))
    }

    /// When a pass is worth running although no event comes: a file settles, or a grace ends. On the store's clock; nil
    /// when nothing is due.
    public var nextDeadline: StoreTime? {
        guard let now = lastObservation?.now else { return nil }
        let settle = settlesAt.map { now + .nanoseconds(max(0, $0 - looked)) }
        return [settle, lastPlan?.nextDue].compactMap(\.self).min()
    }
    var looked: Int64 = 0

    // MARK: Pulling

    /// Says how far the pulls of wished images have come, by reference. A pass should follow.
    public func notePulls(_ standings: [String: PullStanding]) { pulls = standings }

    /// The images that requests want from registries, as of the last look; nil while it cannot be told.
    public var wishes: [ImageWish]? {
        if let knownWishes { return knownWishes }
        knownWishes = lastObservation?.wishes
        return knownWishes
    }

    // MARK: Planning

    /// What a pass would do. Pure: the same observation gives the same plan.
    public static func plan(_ observation: VMObservation) -> VMPlan { Planner.plan(observation) }

    func remember(_ plan: VMPlan) { lastPlan = plan }

    // MARK: What is said

    /// What is said of every VM now, by name: those that requests stand for and those that are retiring.
    public func list() async throws -> [VMStatus] {
        let vms = settings.vms
        let look = try await onThread(named: "vm folders") { _ in try FolderLook.look(vms, known: []) }
        return (look?.entries ?? [:]).compactMap { _, entry in
            entry.status.map { status in
                var status = status
                status.running = entry.isRunning
                return status
            }
        }.sorted { $0.name < $1.name }
    }

    private var sortedStatuses: [VMStatus] {
        if let knownStanding, knownStanding.changes == changes { return knownStanding.statuses }
        let sorted = statuses.values.sorted { $0.name < $1.name }
        knownStanding = (changes, sorted)
        return sorted
    }

    /// Where everything stands after the last pass, without looking again.
    public var standing: VMStanding {
        VMStanding(
            statuses: sortedStatuses,
            problems: lastPlan?.problems ?? [],
            settling: lastObservation?.files.filter { $0.content == .settling }.map(\.name) ?? [],
            isMerging: !merges.isEmpty,
            unavailable: lastObservation?.unavailable
        )
    }
}

/// Where VMs and requests stand after a pass.
public struct VMStanding: Sendable, Hashable {
    /// What is said of every VM, by name.
    public var statuses: [VMStatus]
    /// Request files that no VM stands for.
    public var problems: [VMPlan.FileProblem]
    /// Request files that may still be being written.
    public var settling: [String]
    /// Whether layers are being merged for some VM.
    public var isMerging: Bool
    /// Why nothing could be told, if so.
    public var unavailable: String?
}
