import Archives
import EROFS
import Host
import Registry
import Store
import SystemPackage

extension ImageError {
    /// What an error of a lower room means for an image operation. One that is an `ImageError` stays as it is.
    init(_ error: any Error, during operation: String) {
        switch error {
        case let error as ImageError: self = error
        case let error as FileError: self.init(error)
        case let error as ArchiveError: self.init(error)
        case let error as EROFSError: self.init(error, during: operation)
        case let error as StoreError: self.init(error)
        case let error as RegistryError: self.init(error)
        case is CancellationError: self.init(.cancelled, "stopped while \(operation)", isTransient: true)
        default: self.init(.io, "\(operation): \(error)")
        }
    }

    private init(_ error: FileError) {
        self.init(
            error.isOutOfSpace ? .noSpace : error.errno == .noSuchFileOrDirectory ? .notFound : .io,
            error.description,
            isTransient: error.isTransient
        )
    }

    private init(_ error: ArchiveError) {
        let code: Code =
            switch error.code {
            case .notATar: .notATar
            case .truncated: .truncated
            case .invalid, .trailingGarbage: .invalidArchive
            case .checksum: .digestMismatch
            case .limitExceeded: .limitExceeded
            case .unsupported: .unsupported
            case .io: .io
            case .noSpace: .noSpace
            case .cancelled: .cancelled
            }
        self.init(code, error.message, isTransient: error.isTransient || error.code == .cancelled)
    }

    private init(_ error: EROFSError, during operation: String) {
        switch error {
        case .file(let error): self.init(error)
        case .cancelled: self.init(.cancelled, "stopped while \(operation)", isTransient: true)
        case .invalidName, .notADirectory, .unsupported: self.init(.invalidArchive, "\(operation): \(error)")
        case .limitExceeded: self.init(.limitExceeded, "\(operation): \(error)")
        case .misuse, .corrupt: self.init(.io, "\(operation): \(error)")
        }
    }

    /// What a registry's failure means for an image operation.
    init(_ error: RegistryError) {
        let code: Code =
            switch error.code {
            case .unauthorized: .unauthorized
            case .forbidden: .forbidden
            case .notFound: .notFound
            case .rateLimited: .rateLimited
            case .unavailable: .unavailable
            case .unreachable: .unreachable
            case .offline: .offline
            case .stalled: .stalled
            case .tls: .tls
            case .digestMismatch, .sizeMismatch: .digestMismatch
            case .malformed: .invalidManifest
            case .unsupported: .unsupported
            case .noMatchingPlatform: .noMatchingPlatform
            case .limitExceeded: .limitExceeded
            case .configuration: .configuration
            case .credentials: .credentials
            case .io: .io
            case .cancelled: .cancelled
            }
        self.init(code, error.message, isTransient: error.isTransient, retryAfter: error.retryAfter)
    }

    private init(_ error: StoreError) {
        let code: Code =
            switch error.code {
            case .notFound, .missingBlob: .notFound
            case .inUse: .inUse
            case .noSpace: .noSpace
            case .io, .invalidFile: .io
            case .corruptIndex, .newerIndex, .closed, .busy, .index: .store
            }
        self.init(code, error.message, isTransient: error.isTransient)
    }
}
