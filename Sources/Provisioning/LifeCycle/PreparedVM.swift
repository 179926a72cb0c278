import Host
import Snapshots
import Store
import SystemPackage

/// All that is written for one VM, worked out before anything is.
struct PreparedVM: Sendable {
    /// A config, and what has to be there before it.
    struct Machine: Sendable {
        /// What binds the VM.
        var record: VMRecord
        /// Whether the index has that already.
        var isBound: Bool
        /// What the config was made from.
        var inputs: VMObservation.Inputs
        /// The content of `config.json`.
        var config: [UInt8]
        /// The disks to be made where they are missing.
        var disks: DiskSet
        /// The disks as the request wants them, to grow those that are smaller.
        var wishes: [WritableDisk]
        /// What cloud-init reads, without the instance's id, which lies in the VM's folder; nil for no such disk.
        var seed: CloudInitSeed?
        /// The content of the disk that tells the guest what it runs; nil for no such disk.
        var guestDisk: [UInt8]?
    }

    /// The step it comes from.
    var step: VMPlan.Step
    /// The status to be written with it; `running` is found out then.
    var status: VMStatus
    /// What was said last.
    var lastStatus: VMStatus?
    /// Nil where there is nothing but something to say.
    var machine: Machine?

    /// The VM's name.
    var name: String { step.name }
}

/// What was written of a VM.
struct WrittenVM: Sendable {
    /// What is said of it now.
    var status: VMStatus
    /// Its generated files, to be known again.
    var files: GeneratedFiles?
    /// Disks that are new, and those that were made longer.
    var made: [WritableDisk] = []
    var grown: [WritableDisk] = []
    /// Names of generated files that had been removed or changed, and were made again.
    var remade: [String] = []
}
