import Host
import Logging
import Snapshots
import Store
import SystemPackage

/// What killed processes leave behind.
extension VMs {
    /// Waits for the lock of all VMs, and clears up first where its last holder was killed.
    func lock() async throws -> VMsLock {
        let lock = try await VMsLock.acquire(settings.vms)
        if lock.wasAbandoned { try await sweep() }
        return lock
    }

    /// Clears up once in the life of this process, and whenever another was killed at work since. Nothing is waited for
    /// that others do meanwhile.
    func sweepLeftovers() async throws {
        let isAbandoned = try VMsLock.isAbandoned(settings.vms)
        guard isAbandoned || !hasSwept, try FileStatus.of(settings.vms) != nil else { return }
        do {
            let lock = try await VMsLock.acquire(settings.vms, patience: .zero)
            try await sweep()
            withExtendedLifetime(lock) {}
        } catch VMError.busy {
            // The next pass comes to it.
        }
    }

    /// Removes temporary files and deleted folders. Under the lock: all of them are dead.
    private func sweep() async throws {
        let vms = settings.vms
        let swept = try await onThread(named: "vm leftovers") { _ in
            try DeletedFolders(vms: vms).empty()
            var swept = try TemporaryFile.sweep(vms)
            for parent in [vms, vms.appending(VMRecord.retiredFolder)] where try FileStatus.of(parent) != nil
            {
                for name in try Directory.names(in: parent).map(\.string) where !name.hasPrefix(".") {
                    let folder = parent.appending(name)
                    guard try FileStatus.of(folder)?.kind == .directory else { continue }
                    swept += try TemporaryFile.sweep(folder)
                }
            }
            return swept
        }
        hasSwept = true
        guard swept > 0 else { return }
        logger.notice(
            "removed temporary files of a process that was killed",
            metadata: ["path": "\(vms)", "files": "\(swept)"]
        )
    }
}
