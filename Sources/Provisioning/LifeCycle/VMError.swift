import Snapshots

/// Why something that was asked of a VM cannot be done.
public enum VMError: Error, Sendable, Equatable, CustomStringConvertible {
    /// There is no such VM; what was looked for, in words.
    case notFound(String)
    /// Something still needs it, or a hypervisor runs on it, in words.
    case inUse(String)
    /// Another process is at work on the VMs; try again.
    case busy(String)
    /// The request cannot be followed, and why.
    case refused(RequestFile.Problem)
    /// Something else failed, in words.
    case failed(String)

    /// What happened, in words.
    public var description: String {
        switch self {
        case .notFound(let message), .inUse(let message), .busy(let message), .failed(let message): message
        case .refused(let problem): problem.message
        }
    }

    init(_ error: SnapshotError) {
        self = if case .inUse = error { .inUse(error.description) } else { .failed(error.description) }
    }

    /// What any error means here.
    init(describing error: any Error) {
        switch error {
        case let error as VMError: self = error
        case let error as SnapshotError: self.init(error)
        case let problem as RequestFile.Problem: self = .refused(problem)
        default: self = .failed("\(error)")
        }
    }
}
