import Host
import Logging
import Snapshots
import Store
import SystemPackage

extension VMs {
    /// Retires a VM: first in the index, then its folder. A crash in between leaves a retired binding whose folder is
    /// still in its old place, which the next pass moves before anything else can take the name.
    ///
    /// The disks are locked meanwhile, so that no hypervisor starts on them.
    func retire(_ binding: VMRecord, now: StoreTime) async throws {
        let vmFolder = settings.folder(of: binding.name)
        let locks = try vmFolder.lockDisks()
        defer { withExtendedLifetime(locks) {} }
        forgetState(of: binding.name)
        guard try FileStatus.of(vmFolder.path) != nil else { return try await store.removeVM(binding.name) }
        var retired = binding
        retired.name = try freeRetiredName(for: binding.name)
        retired.absentSince = nil
        retired.retiredAt = now
        try await store.renameVM(binding.name, to: retired)
        try moveFolder(binding.name, to: retired.name)
        logger.warning("retired a VM", metadata: ["vm": "\(binding.name)", "as": "\(retired.name)"])
    }

    /// Deletes a VM: its folder leaves its place, then the binding goes, which makes a crash in between begin again, then
    /// what the folder holds.
    func delete(_ binding: VMRecord) async throws {
        let vmFolder = settings.folder(of: binding.name)
        let locks = try vmFolder.lockDisks()
        defer { withExtendedLifetime(locks) {} }
        forgetState(of: binding.name)
        let deleted = DeletedFolders(vms: settings.vms)
        try deleted.take(vmFolder)
        try await store.removeVM(binding.name)
        try await onThread(named: "vm delete") { _ in try deleted.empty() }
        logger.warning("deleted a VM", metadata: ["vm": "\(binding.name)"])
    }

    /// Removes the folder of a VM that never came to a disk.
    func forget(_ name: String) throws {
        let vmFolder = settings.folder(of: name)
        guard try FileStatus.of(vmFolder.path)?.kind == .directory else { return }
        guard try vmFolder.disks().isEmpty else {
            throw RequestFile.Problem(
                reason: .diskUnbound,
                message: "\(vmFolder.path) holds disks that neither a request nor the index knows of; "
                    + "`slipway vm reset \(name)` retires them"
            )
        }
        forgetState(of: name)
        try Directory.removeTree(vmFolder.path)
    }

    /// Moves a folder to where its binding says it is.
    func moveFolder(_ name: String, to target: String) throws {
        let (from, to) = (settings.folder(of: name).path, settings.folder(of: target).path)
        for parent in [from, to].map({ $0.removingLastComponent() }) {
            try Directory.create(parent, permissions: .vmFolder)
        }
        try Directory.rename(from, to: to, replacing: false)
        for parent in Set([from, to].map { $0.removingLastComponent() }) { try Directory.synchronize(parent) }
    }

    /// A name for a retired VM that no folder has.
    func freeRetiredName(for name: String) throws -> String {
        var later: Int64 = 0
        while true {
            let candidate = "\(VMRecord.retiredFolder)/\(name)-\(wallClock.compactTimestamp(later: later))"
            if try FileStatus.of(settings.folder(of: candidate).path) == nil { return candidate }
            later += 1
        }
    }

    func forgetState(of name: String) {
        statuses[name] = nil
        rendered[name] = nil
        refused[name] = nil
    }
}
