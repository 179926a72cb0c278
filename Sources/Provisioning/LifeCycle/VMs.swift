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

    var folder: RequestsFolder
    /// Files that events called finished since the last look, with the time.
    private var finished: [(name: String, time: Int64)] = []
    /// What was said last of every VM.
    var statuses: [String: VMStatus] = [:]
    /// Configs that this process wrote: what they were made from, and the file as it was then.
    var rendered: [String: Rendered] = [:]
    /// Inputs that no config can be made from.
    var refused: [String: VMObservation.Refusal] = [:]
    private var lastObservation: VMObservation?
    private var lastPlan: VMPlan?
    private var settlesAt: Int64?
    private var pulls: [String: PullStanding] = [:]

    struct Rendered: Sendable {
        var inputs: VMObservation.Inputs
        var config: FileIdentity
    }

    /// Creates a value that has seen nothing yet.
    public init(
        settings: VMSettings,
        store: Store,
        images: any Images,
        snapshots: any Snapshotter,
        logger: Logger
    ) {
        self.init(
            settings: settings,
            store: store,
            images: images,
            snapshots: snapshots,
            logger: logger,
            wallClock: .system
        )
    }

    init(
        settings: VMSettings,
        store: Store,
        images: any Images,
        snapshots: any Snapshotter,
        logger: Logger,
        wallClock: WallClock
    ) {
        self.settings = settings
        self.store = store
        self.images = images
        self.snapshots = snapshots
        self.logger = logger
        self.wallClock = wallClock
        folder = Self.requestsFolder(settings)
    }

    static func requestsFolder(_ settings: VMSettings, settle: Duration? = nil) -> RequestsFolder {
        RequestsFolder(
            settings.requests,
            settle: settle ?? settings.settle,
            allowsWorldWritable: settings.allowsWorldWritableRequests
        )
    }

    /// The module that collects retired VMs.
    public nonisolated var gcModule: any Module {
        VMCollector(settings: settings, store: store, logger: logger)
    }

    // MARK: Events

    /// An event said that a file was renamed into the requests folder, or closed by its writer. A pass should follow.
    public func noteFinished(_ fileName: String) { finished.append((fileName, MonotonicTime.now())) }

    /// When a pass is worth running although no event comes: a file settles, or a grace ends. On the store's clock; nil
    /// when nothing is due.
    public var nextDeadline: StoreTime? {
        guard let now = lastObservation?.now else { return nil }
        let settle = settlesAt.map { now + .nanoseconds(max(0, $0 - looked)) }
        return [settle, lastPlan?.nextDue].compactMap(\.self).min()
    }
    private var looked: Int64 = 0

    // MARK: Pulling

    /// Says how far the pulls of wished images have come, by reference. A pass should follow.
    public func notePulls(_ standings: [String: PullStanding]) { pulls = standings }

    /// The images that requests want from registries, as of the last look; nil while it cannot be told.
    public var wishes: [ImageWish]? { lastObservation?.wishes }

    // MARK: Observing

    /// Looks at requests, bindings, images and folders. Requests that did not change are not read again.
    public func observe(now: StoreTime) async throws -> VMObservation {
        looked = MonotonicTime.now()
        for (name, time) in finished { folder.noteFinished(name, now: time) }
        finished = []
        let (looker, time) = (folder, looked)
        let (next, listing) = try await onThread(named: "vm requests") { _ in
            var folder = looker
            let listing = Result { () throws(RequestsFolder.Unavailable) in try folder.look(now: time) }
            return (folder, listing)
        }
        folder = next
        settlesAt = (try? listing.get())?.settlesAt
        let observation = try await observe(now: now, listing: listing)
        lastObservation = observation
        return observation
    }

    /// The rest of the world, for a look at the requests.
    func observe(
        now: StoreTime,
        listing: Result<RequestsFolder.Listing, RequestsFolder.Unavailable>
    ) async throws -> VMObservation {
        var world = VMObservation(now: now)
        world.onRemove = settings.onRemove
        world.removeGrace = settings.removeGrace
        world.onImageChange = settings.onImageChange
        world.bindings = try await store.vms()
        world.pulls = pulls
        switch listing {
        case .success(let listing): world.files = listing.files
        case .failure(let why): world.unavailable = why.message
        }
        try await lookAtFolders(&world)
        for reference in Set(world.files.compactMap(\.request?.image)) {
            world.images[reference] = await state(of: reference)
        }
        return world
    }

    private func lookAtFolders(_ world: inout VMObservation) async throws {
        let (vms, known) = (settings.vms, Set(statuses.keys))
        let look = try await onThread(named: "vm folders") { _ in try FolderLook.look(vms, known: known) }
        if look == nil, world.bindings.contains(where: { !$0.isRetired }) {
            world.unavailable =
                "the folder of VMs \(vms) is not there, but VMs are bound; nothing is done about them"
        }
        let entries = look?.entries ?? [:]
        for (name, entry) in entries {
            if let status = entry.status { statuses[name] = status }
            var machine = VMObservation.Machine()
            machine.diskSize = entry.diskSize
            machine.isRunning = entry.isRunning
            machine.status = statuses[name]
            machine.refused = refused[name]
            if let config = entry.config, let rendered = rendered[name], rendered.config == config {
                machine.rendered = rendered.inputs
            }
            world.machines[name] = machine
        }
        statuses = statuses.filter { entries[$0.key] != nil }
        rendered = rendered.filter { entries[$0.key] != nil }
        let active = Set(world.bindings.filter { !$0.isRetired }.map(\.name))
        for record in world.bindings {
            guard let former = record.formerName, !active.contains(former), let entry = entries[former],
                entry.diskSize != nil || entry.config != nil,
                try FileStatus.of(settings.folder(of: record.name).path) == nil
            else { continue }
            world.halfRetired.append(record)
        }
    }

    private func state(of reference: String) async -> VMObservation.ImageState {
        do {
            return try await images.inspect(reference).map { .found($0.digest) } ?? .missing
        } catch {
            return .unavailable(error.message)
        }
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

    /// Where everything stands after the last pass, without looking again.
    public var standing: VMStanding {
        VMStanding(
            statuses: statuses.values.sorted { $0.name < $1.name },
            problems: lastPlan?.problems ?? [],
            settling: lastObservation?.files.filter { $0.content == .settling }.map(\.name) ?? [],
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
    /// Why nothing could be told, if so.
    public var unavailable: String?
}
