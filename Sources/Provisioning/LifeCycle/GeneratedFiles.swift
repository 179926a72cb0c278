import Host
import Snapshots
import SystemPackage

/// The files of a VM that are made from its request and its image alone, as stat(2) shows them: whatever happens to one,
/// it can be made again.
struct GeneratedFiles: Sendable, Hashable {
    /// The config.
    var config: FileIdentity?
    /// The disk `slipway`.
    var guestDisk: FileIdentity?
    /// cloud-init's seed.
    var seed: FileIdentity?

    /// All their names.
    static let names = [VMFolder.configName, VMFolder.guestDiskName, VMFolder.seedName]

    /// Nothing.
    init() {}

    /// What lies in a VM's folder.
    init(in folder: VMFolder) throws(FileError) {
        config = try FileStatus.of(folder.config).map(FileIdentity.init)
        guestDisk = try FileStatus.of(folder.guestDisk).map(FileIdentity.init)
        seed = try FileStatus.of(folder.seed).map(FileIdentity.init)
    }

    /// Looks at one VM.
    ///
    /// - Parameter written: what this process wrote of it: what was never written is not looked for, but for the config.
    init(_ name: String, in vms: OpenFolder, written: GeneratedFiles?) throws(FileError) {
        config = try vms.status("\(name)/\(VMFolder.configName)").map(FileIdentity.init)
        guard let written else { return }
        if written.guestDisk != nil {
            guestDisk = try vms.status("\(name)/\(VMFolder.guestDiskName)").map(FileIdentity.init)
        }
        if written.seed != nil {
            seed = try vms.status("\(name)/\(VMFolder.seedName)").map(FileIdentity.init)
        }
    }

    /// The names of those that are not as they were written.
    func damaged(since written: GeneratedFiles) -> [String] {
        var names: [String] = []
        if config != written.config { names.append(VMFolder.configName) }
        if guestDisk != written.guestDisk { names.append(VMFolder.guestDiskName) }
        if seed != written.seed { names.append(VMFolder.seedName) }
        return names
    }
}
