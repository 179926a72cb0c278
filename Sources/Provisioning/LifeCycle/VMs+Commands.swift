import Host
import Snapshots
public import Store
import SystemPackage

/// What is asked of VMs by hand.
extension VMs {
    /// Retires a VM's disks and starts it anew on the image that its request wants now.
    ///
    /// - Throws: ``VMError``.
    public func reset(_ name: String, now: StoreTime) async throws -> [VMOutcome] {
        do {
            try await underLock {
                let vmFolder = settings.folder(of: name)
                if let binding = try await store.vm(name) {
                    try await retire(binding, now: now)
                } else if VMName.isValid(name), try FileStatus.of(vmFolder.path) != nil {
                    // Disks that no binding knows of are kept too, though no collection will ever take them.
                    let locks = try vmFolder.lockDisks()
                    defer { withExtendedLifetime(locks) {} }
                    forgetState(of: name)
                    try moveFolder(name, to: try freeRetiredName(for: name))
                } else {
                    throw VMError.notFound("there is no VM \(name)")
                }
            }
            return try await reconcile(name, now: now)
        } catch { throw VMError(describing: error) }
    }

    /// Brings the disks of a retired VM back, the youngest of that name or one by its full name. A VM that has the
    /// name now is retired in exchange.
    ///
    /// - Throws: ``VMError``.
    public func restore(_ name: String, now: StoreTime) async throws -> [VMOutcome] {
        do {
            var restored = ""
            try await underLock {
                let bindings = try await store.vms()
                guard let retired = Self.retired(name, among: bindings), let former = retired.formerName
                else {
                    throw VMError.notFound("there is no retired VM \(name)")
                }
                restored = former
                let locks = try settings.folder(of: retired.name).lockDisks()
                defer { withExtendedLifetime(locks) {} }
                if let active = bindings.first(where: { $0.name == former }) {
                    try await retire(active, now: now)
                }
                try forget(former)
                // The folder goes first: a crash in between looks like a retirement half done, and is undone.
                try moveFolder(retired.name, to: former)
                var record = retired
                record.name = former
                record.retiredAt = nil
                try await store.renameVM(retired.name, to: record)
            }
            return try await reconcile(restored, now: now)
        } catch { throw VMError(describing: error) }
    }

    /// Deletes a retired VM, or one whose request is gone already.
    ///
    /// - Throws: ``VMError``.
    public func remove(_ name: String, now: StoreTime) async throws {
        do {
            try await underLock {
                let bindings = try await store.vms()
                if let active = bindings.first(where: { $0.name == name }) {
                    let request = settings.requests.appending(active.request)
                    guard try FileStatus.of(request) == nil else {
                        throw VMError.inUse(
                            "the request \(request) still wants the VM \(name); remove that first"
                        )
                    }
                    return try await delete(active)
                }
                guard let retired = Self.retired(name, among: bindings) else {
                    throw VMError.notFound("there is no VM \(name)")
                }
                try await delete(retired)
            }
        } catch { throw VMError(describing: error) }
    }

    /// The youngest retired VM of a name, or the one of a full name: `web-1-20260131T120000Z`, with `.retired/` or
    /// without.
    private static func retired(_ name: String, among bindings: [VMRecord]) -> VMRecord? {
        let retired = bindings.filter(\.isRetired)
        if let exact = retired.first(where: {
            $0.name == name || $0.name == "\(VMRecord.retiredFolder)/\(name)"
        }) {
            return exact
        }
        return retired.filter { $0.formerName == name }.max { $0.name < $1.name }
    }

    private func underLock(_ body: () async throws -> Void) async throws {
        let lock = try await lock()
        try await body()
        withExtendedLifetime(lock) {}
    }

    /// A pass for one VM. Whoever asks by hand vouches for the requests being written.
    private func reconcile(_ name: String, now: StoreTime) async throws -> [VMOutcome] {
        var requests = Self.requestsFolder(settings, settle: .zero)
        let listing = Result { () throws(RequestsFolder.Unavailable) in
            try requests.look(now: MonotonicTime.now())
        }
        folder = requests
        var outcomes: [VMOutcome] = []
        repeat {
            await waitForMerges()
            var plan = Self.plan(try await observe(now: now, listing: listing))
            plan.steps.removeAll { $0.name != name }
            outcomes = await apply(plan)
        } while !merges.isEmpty
        return outcomes
    }
}
