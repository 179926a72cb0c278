import GarbageCollection
import Host
import Logging
import Snapshots
import Store
import SystemPackage

/// Collects VMs that have been retired for long enough.
struct VMCollector: Module {
    /// Every retired VM with what it takes, and the time.
    struct Snapshot: Sendable {
        var now: StoreTime
        var retired: [(record: VMRecord, bytes: UInt64)]
    }

    let settings: VMSettings
    let store: Store
    let logger: Logger

    var name: String { "vms" }

    func snapshot() async throws -> Snapshot {
        let now = try await store.tick()
        var retired: [(record: VMRecord, bytes: UInt64)] = []
        for record in try await store.vms() where record.isRetired {
            retired.append((record, try bytes(of: record)))
        }
        return Snapshot(now: now, retired: retired)
    }

    func resolve(_ snapshot: Snapshot, others: GarbageCollection.Snapshots) throws -> [Candidate] {
        snapshot.retired.filter { isDue($0.record, snapshot.now) }.map { record, bytes in
            Candidate(
                kind: "vm",
                id: record.name,
                reason: "it has been retired for longer than vms.retiredTTL",
                bytes: bytes
            )
        }
    }

    func untilDue(_ snapshot: Snapshot) -> Duration? {
        let dues = snapshot.retired.compactMap { $0.record.retiredAt.map { $0 + settings.retiredTTL } }
        return dues.filter { $0 > snapshot.now }.min().map { $0 - snapshot.now }
    }

    func collect(_ candidates: [Candidate]) async throws -> [Collected] {
        guard !candidates.isEmpty else { return [] }
        let lock = try await VMsLock.acquire(settings.vms)
        defer { withExtendedLifetime(lock) {} }
        let now = try await store.tick()
        let records = Dictionary(try await store.vms().map { ($0.name, $0) }) { first, _ in first }
        var collected: [Collected] = []
        for candidate in candidates {
            guard let record = records[candidate.id], record.isRetired, isDue(record, now) else { continue }
            do {
                let locks = try settings.folder(of: record.name).lockDisks()
                defer { withExtendedLifetime(locks) {} }
                try DeletedFolders(vms: settings.vms).take(settings.folder(of: record.name))
            } catch let error as SnapshotError {
                guard case .inUse = error else { throw error }
                logger.warning(
                    "a retired VM is in use",
                    metadata: ["vm": "\(record.name)", "error": "\(error)"]
                )
                continue
            }
            try await store.removeVM(record.name)
            try await onThread(named: "vm delete") { [vms = settings.vms] _ in
                try DeletedFolders(vms: vms).empty()
            }
            logger.info("collected a retired VM", metadata: ["vm": "\(record.name)"])
            collected.append(Collected(candidate: candidate, bytes: candidate.bytes))
        }
        return collected
    }

    private func isDue(_ record: VMRecord, _ now: StoreTime) -> Bool {
        guard let since = record.retiredAt else { return false }
        return since + settings.retiredTTL <= now
    }

    private func bytes(of record: VMRecord) throws -> UInt64 {
        try settings.folder(of: record.name).disks().reduce(0) { sum, disk in
            sum + (try FileStatus.of(disk)?.allocatedBytes ?? 0)
        }
    }
}
