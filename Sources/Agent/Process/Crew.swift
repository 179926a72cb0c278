import GarbageCollection
import Ingest
import Provisioning
import Store
import SystemPackage

/// The parts as they are under the settings of the moment, and who hears of which event.
actor Crew {
    private(set) var world: World
    private(set) var inbox: Inbox
    private(set) var queue: Queue
    private(set) var vms: VMs
    private var collecting: Collecting
    private let trigger: Trigger
    private let triesOnce: Bool

    init(_ world: World, trigger: Trigger, triesOnce: Bool) {
        self.world = world
        self.trigger = trigger
        self.triesOnce = triesOnce
        collecting = world.collecting()
        inbox = world.inbox(triesOnce: triesOnce) { trigger() }
        queue = world.queue(triesOnce: triesOnce) { trigger() }
        vms = world.vms { trigger() }
    }

    /// The parts in the order of a pass: images first, so that VMs find them.
    var parts: [any Part] { [InboxPart(inbox), QueuePart(queue), VMsPart(vms, queue: queue)] }

    /// Makes the parts anew under other settings.
    func adopt(_ settings: Settings) async {
        world = await world.under(settings)
        collecting = world.collecting()
        inbox = world.inbox(triesOnce: triesOnce) { [trigger] in trigger() }
        queue = world.queue(triesOnce: triesOnce) { [trigger] in trigger() }
        vms = world.vms { [trigger] in trigger() }
    }

    /// Collects, in a pass that began at `now`; passes follow one another.
    func collect(now: StoreTime) async throws -> CollectionOutcome { try await collecting.pass(now: now) }

    /// The folders whose events matter.
    func watchedFolders() async -> Set<FilePath> {
        await inbox.watchedFolders.union([
            queue.watchedFolder, world.settings.paths.requests, world.settings.paths.root,
        ])
    }

    /// Takes an event to whom it concerns. False when it concerns nobody.
    func deliver(_ event: WatchEvent) async -> Bool {
        let paths = world.settings.paths
        if event.folder == queue.watchedFolder, await queue.noteEvent(event) { return true }
        switch event.folder {
        case paths.requests:
            guard let name = event.name?.string else { break }
            switch event.kind {
            case .renamedIn:
                // It is complete: its VM need not wait for the whole pass.
                await vms.noteFinished(name, isComplete: true)
                _ = await vms.follow(name)
            case .closedAfterWriting: await vms.noteFinished(name)
            default: break
            }
        // Someone who wants a pass opens and closes the lock file; nothing else in the root is an input.
        case paths.root: return event.name == paths.agentLock.lastComponent
        case queue.watchedFolder: return false
        default: await inbox.noteEvent(event)
        }
        return true
    }
}
