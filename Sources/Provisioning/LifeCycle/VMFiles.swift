import Documents
import Host
import OCI
import Snapshots
import SystemPackage

/// The files that Slipway writes into a VM's folder beside its disks.
extension VMFolder {
    /// The config.
    var config: FilePath { path.appending("config.json") }
    /// What is said of the VM.
    var status: FilePath { path.appending("status.json") }

    /// What `status.json` says; nil when there is none that can be read.
    func readStatus(name: String) throws(FileError) -> VMStatus? {
        guard let bytes = try AtomicFile.read(status, limit: 1 << 20) else { return nil }
        // Whatever is damaged or of another form is written anew.
        guard let document = try? Document.parse(bytes, file: status.string, format: .json) else {
            return nil
        }
        return VMStatus(name: name, json: document.jsonValue)
    }

    /// SHA-256 of the config; nil when there is none.
    func configDigest() throws(FileError) -> Digest? {
        try AtomicFile.read(config).map { Digest.sha256(of: $0) }
    }
}

/// What a look at the folders of VMs found.
struct FolderLook: Sendable {
    /// What lies in one folder.
    struct Entry: Sendable {
        var diskSize: UInt64?
        var isRunning = false
        var config: FileIdentity?
        /// Only where it was not known before.
        var status: VMStatus?
    }

    /// The folders of VMs, by name, without retired ones.
    var entries: [String: Entry] = [:]

    /// Looks at all folders; nil when the folder of VMs is not there.
    ///
    /// - Parameter known: VMs whose status need not be read.
    static func look(_ vms: FilePath, known: Set<String>) throws(FileError) -> FolderLook? {
        let names: [String]
        do {
            names = try Directory.names(in: vms).map(\.string)
        } catch  where error.errno == .noSuchFileOrDirectory {
            return nil
        }
        var look = FolderLook()
        for name in names where VMName.isValid(name) {
            let folder = VMFolder(named: name, below: vms)
            var entry = Entry()
            if let disk = try FileStatus.of(folder.writableDisk), disk.kind == .regular {
                entry.diskSize = disk.size
                entry.isRunning = try folder.isRunning()
            }
            entry.config = try FileStatus.of(folder.config).map(FileIdentity.init)
            if !known.contains(name) { entry.status = try folder.readStatus(name: name) }
            look.entries[name] = entry
        }
        return look
    }
}
