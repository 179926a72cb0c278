import Archives
import Documents
import Host
import Snapshots
import SystemPackage

/// Writes what was prepared for many VMs at once: all files first, then one wait for the disk, then all names. Whoever
/// sees a config finds all that it names, whole and durable.
struct VMWriter: Sendable {
    let settings: VMSettings
    /// The time to write into what is said.
    let timestamp: String

    /// Writes everything; a VM that cannot be written keeps what it had, and stops no other.
    func write(_ vms: [PreparedVM]) -> [Result<WrittenVM, any Error>] {
        var results: [Result<WrittenVM, any Error>] = []
        var staged: [StagedFiles] = []
        for vm in vms {
            let files = StagedFiles()
            staged.append(files)
            results.append(Result { try stage(vm, in: files) })
        }
        let good = vms.indices.filter { if case .success = results[$0] { true } else { false } }
        do {
            try StagedFiles.synchronize(good.map { staged[$0] })
            for index in good {
                do {
                    let taken = try staged[index].publish()
                    let written = try finish(vms[index], try results[index].get(), taken)
                    results[index] = .success(written)
                } catch { results[index] = .failure(error) }
            }
            try StagedFiles.synchronizeNames(good.map { staged[$0] })
        } catch {
            for index in good { results[index] = .failure(error) }
        }
        return results
    }

    private func stage(_ vm: PreparedVM, in files: StagedFiles) throws -> WrittenVM {
        let folder = settings.folder(of: vm.name)
        if try FileStatus.of(folder.path) == nil {
            try Directory.create(folder.path, permissions: .vmFolder)
            files.noteChanges(in: folder.path.removingLastComponent())
        }
        var written = WrittenVM(status: vm.status)
        written.status.running = try folder.isRunning()
        if let machine = vm.machine {
            // What has a config had all its disks.
            if vm.step.action == .render { try VMDisks.requireKept(machine.wishes, in: folder) }
            written.made = try machine.disks.stage(in: files)
            try VMDisks.grow(machine.wishes, &written)
            try stage(machine, in: folder, files, vm.step.damaged, &written)
        }
        if let last = vm.lastStatus, written.status.saysTheSame(as: last),
            try FileStatus.of(folder.status) != nil
        {
            written.status = last
            return written
        }
        written.status.updated = timestamp
        try files.add(
            written.status.json.serialized(pretty: true),
            to: folder.status,
            permissions: settings.permissions
        )
        return written
    }

    /// Stages what the machine boots with, the config last.
    ///
    /// - Parameter damaged: names of files that are not as they were written.
    private func stage(
        _ machine: PreparedVM.Machine,
        in folder: VMFolder,
        _ files: StagedFiles,
        _ damaged: [String],
        _ written: inout WrittenVM
    ) throws {
        func add(_ bytes: [UInt8], _ path: FilePath) throws {
            guard try files.add(bytes, to: path, permissions: settings.permissions),
                let name = path.lastComponent?.string, damaged.contains(name)
            else { return }
            written.remade.append(name)
        }
        if var seed = machine.seed {
            seed.instanceID = try instanceID(in: folder, files)
            try add(seed.image(), folder.seed)
        }
        if let disk = machine.guestDisk { try add(disk, folder.guestDisk) }
        try add(machine.config, folder.config)
        if !written.remade.isEmpty { written.status.warnings.append(Advice.remade(written.remade)) }
    }

    /// What is left to do once the names are given.
    private func finish(_ vm: PreparedVM, _ written: WrittenVM, _ taken: [FilePath]) throws -> WrittenVM {
        var written = written
        written.made.removeAll { taken.contains($0.path) }
        guard let machine = vm.machine else { return written }
        let folder = settings.folder(of: vm.name)
        // Nothing names the old user data any more, and it may hold secrets.
        if machine.seed == nil { try Directory.unlink(folder.seed) }
        if machine.guestDisk == nil { try Directory.unlink(folder.guestDisk) }
        written.files = try GeneratedFiles(in: folder)
        return written
    }

    /// The instance's id, which lies beside the disks and goes where they go: fresh disks are a fresh instance.
    private func instanceID(in folder: VMFolder, _ files: StagedFiles) throws -> String {
        if let bytes = try AtomicFile.read(folder.instanceID, limit: 4096), !bytes.isEmpty {
            return String(decoding: bytes, as: UTF8.self).filter { !$0.isWhitespace }
        }
        let digits = (0..<16).map { _ in UInt8.random(in: 0 ... .max) }.map {
            ($0 < 16 ? "0" : "") + String($0, radix: 16)
        }
        let fresh = "slipway-" + digits.joined()
        try files.add(Array("\(fresh)\n".utf8), to: folder.instanceID, permissions: settings.permissions)
        return fresh
    }
}
