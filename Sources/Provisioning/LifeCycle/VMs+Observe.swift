import Host
import ImageBackend
import OCI
import Snapshots
public import Store
import SystemPackage

/// What a look at the world found, before it is put together: equal ones lead to equal plans, but for the time.
struct VMsLook: Equatable {
    var files: [RequestFile]
    var unavailable: String?
    var bindings: [VMRecord]
    /// Nil where the folder of VMs is not there.
    var entries: [String: FolderLook.Entry]?
    /// Whether VMs were made in that folder.
    var isIdentified = false
    var images: [String: VMObservation.ImageState]
    var pulls: [String: PullStanding]
    /// What the process itself knows, as a count of its changes.
    var changes: Int
}

extension VMs {
    /// Looks at requests, bindings, images and folders. Requests that did not change are not read again.
    public func observe(now: StoreTime) async throws -> VMObservation {
        let observation = try assemble(try await look(), now: now)
        lastObservation = observation
        return observation
    }

    /// The rest of the world, for a look at the requests.
    func observe(
        now: StoreTime,
        listing: Result<RequestsFolder.Listing, RequestsFolder.Unavailable>
    ) async throws -> VMObservation {
        try assemble(try await look(at: listing), now: now)
    }

    func look() async throws -> VMsLook {
        looked = MonotonicTime.now()
        for (name, isComplete, time) in finished {
            if isComplete {
                folder.noteComplete(name, now: time)
            } else {
                folder.noteFinished(name, now: time)
            }
        }
        finished = []
        let (looker, time) = (folder, looked)
        let (next, listing) = try await onThread(named: "vm requests") { _ in
            var folder = looker
            let listing = Result { () throws(RequestsFolder.Unavailable) in try folder.look(now: time) }
            return (folder, listing)
        }
        folder = next
        settlesAt = (try? listing.get())?.settlesAt
        return try await look(at: listing)
    }

    private func look(
        at listing: Result<RequestsFolder.Listing, RequestsFolder.Unavailable>
    ) async throws -> VMsLook {
        var look = VMsLook(
            files: [],
            bindings: try await store.vms(),
            images: [:],
            pulls: pulls,
            changes: changes
        )
        switch listing {
        case .success(let listing): look.files = listing.files
        case .failure(let why): look.unavailable = why.message
        }
        let isSame = lastLook?.files == look.files
        let dataDisks = isSame ? knownDataDisks : Self.dataDisks(look.files)
        let references = isSame ? knownReferences : Set(look.files.compactMap(\.request?.image))
        (knownDataDisks, knownReferences) = (dataDisks, references)
        let (vms, known, rendered) = (settings.vms, Set(statuses.keys), rendered)
        let folders = try await onThread(named: "vm folders") { _ in
            try FolderLook.look(vms, known: known, rendered: rendered, dataDisks: dataDisks)
        }
        look.entries = folders?.entries
        look.isIdentified = folders?.isIdentified ?? false
        for reference in references { look.images[reference] = await state(of: reference) }
        look.changes = changes
        lastLook = look
        return look
    }

    private static func dataDisks(_ files: [RequestFile]) -> [String: [String]] {
        var names: [String: [String]] = [:]
        for request in files.compactMap(\.request) {
            if let disks = request.dataDisks, !disks.isEmpty { names[request.name] = disks.map(\.name) }
        }
        return names
    }

    /// Puts an observation together, and keeps what the folders say of VMs that this process had not seen.
    func assemble(_ look: VMsLook, now: StoreTime) throws -> VMObservation {
        var world = emptyWorld(now: now)
        world.files = look.files
        world.unavailable = look.unavailable
        world.bindings = look.bindings
        world.images = look.images
        if !look.isIdentified, world.bindings.contains(where: { !$0.isRetired }) {
            world.unavailable = Advice.noFolder(settings, isThere: look.entries != nil)
        }
        let entries = look.entries ?? [:]
        for (name, entry) in entries { world.machines[name] = machine(name, entry) }
        if statuses.keys.contains(where: { entries[$0] == nil }) {
            statuses = statuses.filter { entries[$0.key] != nil }
        }
        if rendered.keys.contains(where: { entries[$0] == nil }) {
            rendered = rendered.filter { entries[$0.key] != nil }
        }
        let active = Set(world.bindings.filter { !$0.isRetired }.map(\.name))
        for record in world.bindings {
            guard let former = record.formerName, !active.contains(former), let entry = entries[former],
                entry.diskSize != nil || entry.files.config != nil,
                try FileStatus.of(settings.folder(of: record.name).path) == nil
            else { continue }
            world.halfRetired.append(record)
        }
        return world
    }

    private func emptyWorld(now: StoreTime) -> VMObservation {
        var world = VMObservation(now: now)
        world.onRemove = settings.onRemove
        world.removeGrace = settings.removeGrace
        world.onImageChange = settings.onImageChange
        world.pulls = pulls
        return world
    }

    private func machine(_ name: String, _ entry: FolderLook.Entry) -> VMObservation.Machine {
        if let status = entry.status { statuses[name] = status }
        var machine = VMObservation.Machine()
        machine.diskSize = entry.diskSize
        machine.dataDiskSizes = entry.dataDiskSizes
        machine.isRunning = entry.isRunning
        machine.status = statuses[name]
        machine.refused = refused[name]
        if let rendered = rendered[name] {
            machine.rendered = rendered.inputs
            machine.damaged = entry.files.damaged(since: rendered.files)
        }
        return machine
    }

    private func state(of reference: String) async -> VMObservation.ImageState {
        do {
            return try await images.digest(of: reference).map { .found($0) } ?? .missing
        } catch {
            return .unavailable(error.message)
        }
    }

    // MARK: One request

    /// Follows one request file at once, of which an event said that it was renamed into place: looks at it and at what
    /// concerns it, and leaves the rest of the world as it was last seen. A pass should follow all the same.
    ///
    /// - Returns: what was done.
    public func follow(_ fileName: String) async -> [VMOutcome] {
        guard let base = lastObservation, base.unavailable == nil else { return [] }
        do {
            guard let world = try await observe(only: fileName, base) else { return [] }
            return await carryOut(Self.plan(world))
        } catch {
            // The pass that follows meets it again, and says it.
            return []
        }
    }

    /// The part of the world that a file concerns; nil when nothing can be told of it yet.
    private func observe(only fileName: String, _ base: VMObservation) async throws -> VMObservation? {
        let part = folder.part(fileName)
        let (looked, found) = try await onThread(named: "vm request") { _ in
            var folder = part
            let now = MonotonicTime.now()
            folder.noteComplete(fileName, now: now)
            // Two statements: the look changes the folder that is returned.
            let found = folder.look(only: fileName, now: now)
            return (folder, found)
        }
        folder.adopt(looked, fileName)
        guard let file = found, let request = file.request else { return nil }
        var world = emptyWorld(now: base.now)
        world.bindings = try await store.vms(named: [request.name, file.stem], orOf: fileName)
        let names = Set([request.name, file.stem] + world.bindings.map(\.name))
        let owners = Set(world.bindings.map(\.request))
        world.files = base.files.filter { other in
            other.name != fileName
                && (owners.contains(other.name) || names.contains(other.request?.name ?? other.stem))
        }
        world.files.append(file)
        // What is half retired is for a whole pass.
        guard base.halfRetired.isEmpty else { return nil }
        let (vms, rendered) = (settings.vms, rendered)
        let known = names.filter { statuses[$0] != nil }
        let dataDisks = Self.dataDisks(world.files)
        let entries = try await onThread(named: "vm folder") { _ in
            let folder = try OpenFolder(vms)
            var entries: [String: FolderLook.Entry] = [:]
            for name in names where VMName.isValid(name) {
                guard try folder.status(name) != nil else { continue }
                entries[name] = try FolderLook.entry(
                    name,
                    in: folder,
                    vms,
                    isKnown: known.contains(name),
                    written: rendered[name]?.files,
                    dataDisks: dataDisks[name] ?? []
                )
            }
            return entries
        }
        for (name, entry) in entries { world.machines[name] = machine(name, entry) }
        for reference in Set(world.files.compactMap(\.request?.image)) {
            world.images[reference] = await state(of: reference)
        }
        return world
    }
}
