import Host

/// Why a snapshot operation failed.
public enum SnapshotError: Error, Sendable, Equatable {
    /// No such snapshot; the key.
    case notFound(String)
    /// A hypervisor works on the snapshot's disk; the disk's path.
    case inUse(String)
    /// The file system is full, or fuller than its reserve allows, in words.
    case noSpace(String)
    /// Something else failed, in words; transient when trying again later may succeed.
    case failed(String, isTransient: Bool)

    /// Whether trying again later may succeed without anyone changing the input.
    public var isTransient: Bool {
        switch self {
        case .notFound: false
        case .inUse, .noSpace: true
        case .failed(_, let isTransient): isTransient
        }
    }

    init(_ error: FileError) {
        self =
            error.isOutOfSpace
            ? .noSpace(error.description) : .failed(error.description, isTransient: error.isTransient)
    }
}

extension SnapshotError: CustomStringConvertible {
    /// What happened, in words.
    public var description: String {
        switch self {
        case .notFound(let key): "there is no snapshot \(key)"
        case .inUse(let disk): "a hypervisor holds a lock on \(disk); stop the VM first"
        case .noSpace(let message), .failed(let message, _): message
        }
    }
}
