import Glibc
public import SystemPackage

/// A file operation that failed: what was tried, on which path, and what the kernel said.
public struct FileError: Error, Equatable, Sendable, CustomStringConvertible {
    /// The operation in words that fit after "cannot": `open`, `write`, `rename to /x`.
    public let operation: String
    /// The path it was tried on.
    public let path: FilePath
    /// The kernel's answer.
    public let errno: Errno

    /// Creates an error.
    public init(_ operation: String, _ path: FilePath, _ errno: Errno) {
        self.operation = operation
        self.path = path
        self.errno = errno
    }

    /// Whether a later try may succeed without anyone changing the input: no space, quota, an I/O error, busy.
    public var isTransient: Bool {
        switch errno {
        case .noSpace, .diskQuotaExceeded, .ioError, .resourceBusy, .resourceTemporarilyUnavailable,
            .tooManyOpenFiles, .tooManyOpenFilesInSystem, .noMemory, .interrupted, .staleNFSFileHandle:
            true
        default: false
        }
    }

    /// Whether the file system is full (bytes, inodes or quota).
    public var isOutOfSpace: Bool { errno == .noSpace || errno == .diskQuotaExceeded }

    /// `cannot open /x: No such file or directory`
    public var description: String { "cannot \(operation) \(path): \(errno)" }
}

/// Runs a call that returns -1 and sets errno, again when interrupted, and turns failure into a ``FileError``.
@discardableResult
public func retryingSystemCall<Result: FixedWidthInteger>(
    _ operation: @autoclosure () -> String,
    _ path: @autoclosure () -> FilePath,
    _ call: () -> Result
) throws(FileError) -> Result {
    while true {
        let result = call()
        if result != -1 { return result }
        let code = Errno(rawValue: Glibc.errno)
        if code == .interrupted { continue }
        throw FileError(operation(), path(), code)
    }
}
