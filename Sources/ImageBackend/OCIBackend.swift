public import GarbageCollection
import Host
public import Logging
import OCI
public import Store

/// Images made of OCI layers, each an EROFS blob in the store.
public final class OCIBackend: Images {
    /// Paths and limits.
    public let configuration: Config
    /// What it has done, and other backends that share them.
    public let counters: BackendCounters

    let store: Store
    let logger: Logger
    let slots: ConversionSlots
    let registry: RegistryAccess
    let layerSlots: LayerSlots
    let space: SpaceLedger
    let fetches = SharedWork<Digest, FetchedLayer>()
    let merges = SharedWork<Digest, MergedRecord>()
    let lint = BootFindings()
    let shortage: ShortageNotice

    /// Creates a backend over a store.
    public init(
        config: Config,
        store: Store,
        counters: BackendCounters = BackendCounters(),
        logger: Logger
    ) {
        configuration = config
        self.counters = counters
        self.store = store
        self.logger = logger
        slots = ConversionSlots(config.conversions)
        registry = RegistryAccess(config.registry, logger: logger)
        layerSlots = LayerSlots(config.downloads)
        space = SpaceLedger(path: config.store.root, reserve: config.reserve)
        shortage = ShortageNotice(logger)
    }

    /// `oci`.
    public var type: String { "oci" }

    /// The module that collects images nothing wants and blobs no image has.
    public var gcModule: any Module {
        ImageCollection(
            store: store,
            unpinnedTTL: configuration.unpinnedTTL,
            limits: configuration.space,
            shortage: shortage
        )
    }

    /// Whether the store's file system is fuller than it should be, so that a collection may take more than the last.
    public func isSpaceShort() async throws -> Bool {
        guard configuration.space.highWater < 100 else { return false }
        let root = configuration.store.root
        let status = try await onThread(named: "statfs") { _ in try FileSystemStatus.of(root) }
        return configuration.space.excess(on: status, storeBytes: 0) > 0
    }

    /// What keeps blobs although the index does not know of it.
    public var externalRoots: ExternalRoots {
        ExternalRoots(folders: configuration.externalRoots, store: configuration.store)
    }

    /// Registers the module, and what it takes external roots from.
    public func registerGC(_ orchestrator: Orchestrator) async {
        await orchestrator.register(gcModule)
        await orchestrator.register(externalRoots)
    }

    /// Runs store work, turning its errors into ``ImageError``.
    func withStore<Success>(
        _ operation: String,
        _ work: () async throws -> Success
    ) async throws(ImageError) -> Success {
        do { return try await work() } catch { throw ImageError(error, during: operation) }
    }
}

/// Bounds how many layers are converted at once.
actor ConversionSlots {
    private var free: Int
    private var waiting: [CheckedContinuation<Void, Never>] = []

    init(_ count: Int) { free = max(1, count) }

    /// Waits for a slot, runs the work, gives the slot to the longest waiting.
    nonisolated func run<Success: Sendable>(_ work: () async throws -> Success) async throws -> Success {
        await take()
        do {
            let result = try await work()
            await release()
            return result
        } catch {
            await release()
            throw error
        }
    }

    private func take() async {
        if free > 0 {
            free -= 1
        } else {
            await withCheckedContinuation { waiting.append($0) }
        }
    }

    private func release() {
        if waiting.isEmpty { free += 1 } else { waiting.removeFirst().resume() }
    }
}
