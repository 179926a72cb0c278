import Host
public import Store
import SystemPackage

extension VMs {
    /// What requests and VMs looked like when there was nothing to do.
    struct Quiet {
        /// As seen from outside, file by file, without reading one; nil where that was not to be had.
        var glance: Glance?
        /// As looked at closely.
        var look: VMsLook
    }

    /// What a pass sees before it looks closely: equal ones mean equal looks.
    struct Glance: Equatable {
        var files: FolderFingerprint
        /// Bindings, and what references mean.
        var index: StoreChanges
        var pulls: [String: PullStanding]
        /// What the process itself knows, as a count of its changes.
        var changes: Int
    }

    /// One pass: observes, plans and applies. Where nothing changed since a pass that found nothing to do, that is all it
    /// finds out, with a few system calls for each VM.
    ///
    /// - Returns: what was done.
    public func reconcile(now: StoreTime) async throws -> [VMOutcome] {
        try await sweepLeftovers()
        // Taken first: what changes from here on shows in the next one.
        let glance = try await glance()
        if finished.isEmpty, let glance, glance == quiet?.glance { return [] }
        let look = try await look()
        if look == quiet?.look {
            quiet?.glance = look.hasGaps ? nil : glance
            return []
        }
        let world = try assemble(look, now: now)
        lastObservation = world
        let plan = Self.plan(world)
        let outcomes = await apply(plan)
        quiet = nil
        if plan.steps.isEmpty, plan.nextDue == nil, plan.unavailable == nil, settlesAt == nil {
            // Assembling may itself have noted what the folders say.
            quiet = Quiet(glance: look.hasGaps ? nil : glance, look: look)
            quiet?.glance?.changes = changes
            quiet?.look.changes = changes
        }
        return outcomes
    }

    /// Nil where the folders cannot be read, which a close look finds out in words.
    private func glance() async throws -> Glance? {
        let (settings, index, pulls, changes) = (settings, store.changes, pulls, changes)
        let dataDisks = knownDataDisks.flatMap { name, disks in disks.map { "\(name)/data-\($0).raw" } }
        let files = try await onThread(named: "vms") { _ -> FolderFingerprint? in
            var files = FolderFingerprint()
            do throws(FileError) {
                try files.add(settings.requests)
                try files.addFolders(in: settings.vms, files: GeneratedFiles.names, disk: "cow.raw")
                try files.addDisks(dataDisks, in: settings.vms)
            } catch { return nil }
            return files
        }
        return files.map { Glance(files: $0, index: index, pulls: pulls, changes: changes) }
    }
}

extension VMsLook {
    /// Whether something could not be told that may be told the next time although nothing changed.
    fileprivate var hasGaps: Bool {
        images.values.contains { if case .unavailable = $0 { true } else { false } }
    }
}
