import Agent
import Documents
import EROFS
import GarbageCollection
import Host
import ImageBackend
import Provisioning
import Snapshots
import Store

/// Exit codes, frozen: scripts rely on them.
enum ExitStatus: Int32 {
    case done = 0
    case failed = 1
    /// Done in part, unfinished or degraded.
    case partial = 3
    case notFound = 4
    /// Another process is in the way: try again (EX_TEMPFAIL of sysexits.h).
    case busy = 75
    /// The configuration cannot be used (EX_CONFIG of sysexits.h).
    case badConfiguration = 78
}

/// Why a command ends without success.
struct Failure: Error {
    var status: ExitStatus
    var message: String

    init(_ status: ExitStatus, _ message: String) {
        self.status = status
        self.message = message
    }

    init(_ message: String) { self.init(.failed, message) }

    /// The failure that an error of any room means; nil for the argument parser's own, which it explains better.
    init?(describing error: any Error) {
        switch error {
        case let error as Failure: self = error
        case let error as ConfigurationError: self.init(.badConfiguration, error.description)
        case let error as DocumentError: self.init(error.description)
        case let error as AgentLock.Held: self.init(.busy, error.description)
        case let error as StoreError: self.init(Self.status(of: error.code), error.description)
        case let error as ImageError: self.init(Self.status(of: error.code), error.description)
        case let error as SnapshotError:
            if case .notFound = error {
                self.init(.notFound, error.description)
            } else {
                self.init(error.description)
            }
        case let error as VMError:
            switch error {
            case .notFound: self.init(.notFound, error.description)
            case .busy: self.init(.busy, error.description)
            case .inUse, .refused, .failed: self.init(error.description)
            }
        case let error as CollectionError: self.init(error.description)
        case let error as ModuleError: self.init(error.description)
        case let error as FileError: self.init(error.description)
        case let error as EROFSError: self.init(error.description)
        case is CancellationError: self.init("interrupted")
        default: return nil
        }
    }

    private static func status(of code: StoreError.Code) -> ExitStatus {
        switch code {
        case .notFound: .notFound
        case .busy: .busy
        default: .failed
        }
    }

    private static func status(of code: ImageError.Code) -> ExitStatus {
        code == .notFound ? .notFound : .failed
    }
}
