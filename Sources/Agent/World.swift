import Archives
import EROFS
import Foundation
public import GarbageCollection
import Host
public import ImageBackend
public import Ingest
public import Logging
public import Provisioning
import Registry
public import Snapshots
public import Store
import SystemPackage

/// Everything that the agent and the command line work on, opened as the settings say.
public struct World: Sendable {
    /// The settings it was opened with.
    public let settings: Settings
    /// The index and the files it describes.
    public let store: Store
    /// What makes images of tar files.
    public let images: OCIBackend
    /// Layer stacks and writable disks.
    public let snapshotter: StoreSnapshotter
    /// Collects what the modules of images and VMs find.
    public let orchestrator: Orchestrator
    let logger: Logger

    /// Opens the store, creating what is missing of it and of the inputs' folders.
    public static func open(_ settings: Settings, logger: Logger) async throws -> World {
        let paths = settings.paths
        // The outer folders may be the system's; those below are ours, and inputs take files from a group.
        try Directory.create(paths.root)
        for folder in [paths.inbox, paths.requests] {
            try Directory.create(folder, permissions: FilePermissions(rawValue: 0o770))
        }
        try Directory.create(paths.vms, permissions: FilePermissions(rawValue: 0o750))
        return await World(settings: settings, store: try Store(layout: paths.store), logger: logger)
    }

    /// Opens what an agent or an import has made before, for commands that only look or change what is there.
    ///
    /// - Returns: nil when there is no store yet.
    public static func openExisting(_ settings: Settings, logger: Logger) async throws -> World? {
        guard try FileStatus.of(settings.paths.store.database) != nil else { return nil }
        return await World(settings: settings, store: try Store(layout: settings.paths.store), logger: logger)
    }

    /// The same world under other settings; the root is the same.
    func under(_ settings: Settings) async -> World {
        await World(settings: settings, store: store, counters: images.counters, logger: logger)
    }

    private init(
        settings: Settings,
        store: Store,
        counters: BackendCounters = BackendCounters(),
        logger: Logger
    ) async {
        self.settings = settings
        self.store = store
        self.logger = logger
        images = OCIBackend(
            config: settings.backendConfiguration,
            store: store,
            counters: counters,
            logger: logger.component("images")
        )
        snapshotter = StoreSnapshotter(
            store: store,
            vms: settings.paths.vms,
            reserve: settings.store.reserve,
            logger: logger.component("snapshots")
        )
        orchestrator = Orchestrator()
        await images.registerGC(orchestrator)
        await orchestrator.register(vms().gcModule)
        await orchestrator.register(snapshotter.gcModule)
    }

    /// Collections, as passes have them.
    func collecting() -> Collecting {
        Collecting(store, orchestrator) { [images] in try await images.isSpaceShort() }
    }

    /// The inbox.
    ///
    /// - Parameters:
    ///   - triesOnce: whether each item is tried now, whatever its backoff says, and not again.
    ///   - onChange: called when a job ended.
    public func inbox(triesOnce: Bool = false, onChange: @escaping @Sendable () -> Void) -> Inbox {
        Inbox(
            settings: settings.inboxSettings(triesOnce: triesOnce),
            store: store,
            images: images,
            logger: logger.component("inbox"),
            onChange: onChange
        )
    }

    /// The queue.
    ///
    /// - Parameters:
    ///   - triesOnce: whether each line is tried now, whatever its backoff says, and not again.
    ///   - onChange: called when a job ended.
    public func queue(triesOnce: Bool = false, onChange: @escaping @Sendable () -> Void) -> Queue {
        Queue(
            settings: settings.queueSettings(triesOnce: triesOnce),
            store: store,
            images: images,
            logger: logger.component("queue"),
            onChange: onChange
        )
    }

    /// The VMs.
    ///
    /// - Parameter onChange: called when something ended that a VM waits for.
    public func vms(onChange: @escaping @Sendable () -> Void = {}) -> VMs {
        VMs(
            settings: settings.vmSettings,
            store: store,
            images: images,
            snapshots: snapshotter,
            logger: logger.component("vms"),
            onChange: onChange
        )
    }
}

extension Settings {
    var backendConfiguration: OCIBackend.Config {
        OCIBackend.Config(
            store: paths.store,
            compression: store.compression == .none ? .none : .lz4(clusterSize: 65536),
            guestKernel: store.guestKernel,
            conversions: jobs.conversions,
            downloads: jobs.downloads,
            reserve: store.reserve,
            registry: registryConfiguration,
            unpinnedTTL: gc.unpinnedTTL,
            space: SpaceLimits(highWater: gc.highWater, lowWater: gc.lowWater, maxBytes: gc.maxBytes),
            externalRoots: gc.externalRoots,
            limits: LayerLimits(
                entries: store.limits.layerEntries,
                unpackedBytes: store.limits.layerBytes,
                expansion: UInt64(store.limits.expansion),
                pathBytes: store.limits.pathBytes,
                pathDepth: store.limits.pathDepth
            ),
            archives: ArchiveLimits(
                members: store.limits.archiveMembers,
                images: store.limits.archiveImages,
                bytes: store.limits.archiveBytes
            ),
            engine: store.engine == .mkfs ? .mkfs : .native,
            check: store.check == .fsck ? .fsck : .none
        )
    }

    private var registryConfiguration: ClientConfiguration {
        var configuration = ClientConfiguration(
            registriesFile: root.pushing(registry.config).lexicallyNormalized(),
            environment: ProcessInfo.processInfo.environment,
            downloads: jobs.downloads,
            downloadsPerRegistry: jobs.downloads,
            allowsForeignLayers: registry.allowForeignLayers,
            userAgent: "slipway/\(slipwayVersion)"
        )
        configuration.imageLayers = store.limits.imageLayers
        return configuration
    }

    func inboxSettings(triesOnce: Bool) -> InboxSettings {
        InboxSettings(
            path: paths.inbox,
            settle: inbox.settle,
            folderSettle: inbox.folderSettle,
            onSuccess: inbox.onSuccess == .keep ? .keep : .remove,
            rescan: inbox.rescan,
            requiresDigest: inbox.requireDigest,
            reserve: store.reserve,
            allowReferences: inbox.allowReferences,
            receipts: paths.inboxReceipts,
            conversions: jobs.conversions,
            unpinnedTTL: gc.unpinnedTTL,
            triesOnce: triesOnce,
            allowsWorldWritable: inbox.allowWorldWritable
        )
    }

    func queueSettings(triesOnce: Bool) -> QueueSettings {
        QueueSettings(
            path: paths.queue,
            settle: inbox.settle,
            refresh: queue.refresh,
            removeGrace: queue.removeGrace,
            rescan: inbox.rescan,
            receipts: paths.queueReceipts,
            unpinnedTTL: gc.unpinnedTTL,
            triesOnce: triesOnce,
            allowsWorldWritable: queue.allowWorldWritable
        )
    }

    var vmSettings: VMSettings {
        var result = VMSettings(requests: paths.requests, vms: paths.vms)
        result.onRemove = vms.onRemove == .retain ? .retain : .delete
        result.removeGrace = vms.removeGrace
        result.retiredTTL = vms.retiredTTL
        result.onImageChange = vms.onImageChange == .hold ? .hold : .recreate
        result.allowPaths = vms.allowPaths
        result.defaults = vms.defaults.request
        result.bootProfiles = boot.profiles.mapValues {
            VMSettings.BootProfile(kernel: $0.kernel, initramfs: $0.initramfs)
        }
        result.hypervisorVersion = hypervisor.version
        result.settle = inbox.settle
        result.allowsWorldWritableRequests = vms.allowWorldWritable
        return result
    }
}

extension Logger {
    /// A logger of a part of the product.
    func component(_ name: String) -> Logger {
        var logger = self
        logger[metadataKey: "component"] = "\(name)"
        return logger
    }
}
