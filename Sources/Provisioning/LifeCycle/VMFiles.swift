import Documents
import Host
import OCI
import Snapshots
import SystemPackage

/// The files that Slipway writes into a VM's folder beside its disks.
extension VMFolder {
    /// The config.
    var config: FilePath { path.appending(Self.configName) }
    static let configName = "config.json"
    /// What is said of the VM.
    var status: FilePath { path.appending("status.json") }

    /// What the guest writes to its serial port, and to its console.
    var serialLog: FilePath { path.appending("serial.log") }
    var consoleLog: FilePath { path.appending("console.log") }
    /// Where the serial port and the vsock device are reached.
    var serialSocket: FilePath { path.appending("serial.sock") }
    var vsockSocket: FilePath { path.appending("vsock.sock") }
    /// What cloud-init reads: ISO 9660 with user data.
    var seed: FilePath { path.appending(Self.seedName) }
    static let seedName = "cidata.iso"
    /// The disk `slipway`, which tells the guest what it runs.
    var guestDisk: FilePath { path.appending(Self.guestDiskName) }
    static let guestDiskName = "slipway.erofs"
    /// What tells cloud-init whether it runs for the first time; goes where the disks go.
    var instanceID: FilePath { path.appending(".instance-id") }

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
