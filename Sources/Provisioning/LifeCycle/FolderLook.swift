import Host
import Snapshots
import SystemPackage

/// What a look at the folders of VMs found. Made for many thousands of them.
struct FolderLook: Sendable {
    /// What lies in one folder.
    struct Entry: Sendable, Equatable {
        var diskSize: UInt64?
        var dataDiskSizes: [String: UInt64] = [:]
        var isRunning = false
        var files = GeneratedFiles()
        /// Only where it was not known before.
        var status: VMStatus?
    }

    /// The folders of VMs, by name, without retired ones.
    var entries: [String: Entry] = [:]
    /// Whether the folder of VMs is one that VMs were made in, and not the empty place where that is mounted.
    var isIdentified = false

    /// Looks at all folders; nil when the folder of VMs is not there.
    ///
    /// - Parameters:
    ///   - known: VMs whose status need not be read.
    ///   - rendered: what this process wrote of them.
    ///   - dataDisks: names of the data disks to look for, by VM.
    static func look(
        _ vms: FilePath,
        known: Set<String>,
        rendered: [String: VMs.Rendered] = [:],
        dataDisks: [String: [String]] = [:]
    ) throws(FileError) -> FolderLook? {
        let folder: OpenFolder
        do { folder = try OpenFolder(vms) } catch  where error.errno == .noSuchFileOrDirectory { return nil }
        var look = FolderLook()
        look.isIdentified = try folder.status(VMSettings.identityName) != nil
        let names = try folder.names()
        look.entries.reserveCapacity(names.count)
        for name in names where known.contains(name) || VMName.isValid(name) {
            look.entries[name] = try entry(
                name,
                in: folder,
                vms,
                isKnown: known.contains(name),
                written: rendered[name]?.files,
                dataDisks: dataDisks[name] ?? []
            )
        }
        return look
    }

    /// Looks at one VM's folder.
    static func entry(
        _ name: String,
        in folder: OpenFolder,
        _ vms: FilePath,
        isKnown: Bool,
        written: GeneratedFiles?,
        dataDisks: [String]
    ) throws(FileError) -> Entry {
        var entry = Entry()
        if let disk = try folder.status("\(name)/cow.raw"), disk.kind == .regular {
            entry.diskSize = disk.size
            entry.isRunning = try folder.isLocked("\(name)/cow.raw")
        }
        for disk in dataDisks {
            guard let status = try folder.status("\(name)/data-\(disk).raw"), status.kind == .regular else {
                continue
            }
            entry.dataDiskSizes[disk] = status.size
        }
        entry.files = try GeneratedFiles(name, in: folder, written: written)
        if !isKnown { entry.status = try VMFolder(named: name, below: vms).readStatus(name: name) }
        return entry
    }
}
