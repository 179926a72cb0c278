import Host
import Snapshots
import SystemPackage

/// Folders of VMs on their way out, in `.deleted`: one leaves its place as a whole, by a rename, so that nobody ever finds
/// half of a VM under its name.
struct DeletedFolders: Sendable {
    /// The folder of VMs.
    let vms: FilePath

    private var path: FilePath { vms.appending(".deleted") }

    /// Takes a VM's folder out of its place for good; one that is not there is fine. What it holds goes with ``empty()``.
    func take(_ folder: VMFolder) throws(FileError) {
        guard let name = folder.path.lastComponent, try FileStatus.of(folder.path) != nil else { return }
        try Directory.create(path, permissions: .vmFolder)
        let target = path.appending("\(name)-\(UInt64.random(in: 0 ... .max))")
        try Directory.rename(folder.path, to: target, replacing: false)
        for parent in [folder.path.removingLastComponent(), path] { try Directory.synchronize(parent) }
    }

    /// Removes what was taken here, now or by a process that was killed over it.
    func empty() throws(FileError) { try Directory.removeTree(path) }
}
