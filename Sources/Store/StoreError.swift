import GRDB
import Host
import SystemPackage

/// Why a store operation failed. Everything that the store throws is one of these, or a `CancellationError`.
public struct StoreError: Error, Equatable, Sendable, CustomStringConvertible {
    /// A stable code.
    public enum Code: String, Sendable, Codable, CaseIterable {
        /// The index is no SQLite database, is damaged, or holds a value that cannot be.
        case corruptIndex
        /// The index was written by a newer version.
        case newerIndex
        /// No such image or VM.
        case notFound
        /// A layer's blob is not in the store, or its file is damaged.
        case missingBlob
        /// A file given to the store is not what its record says.
        case invalidFile
        /// Something still needs it, or the name is taken.
        case inUse
        /// The workspace was closed before.
        case closed
        /// Another process kept the index locked for too long.
        case busy
        /// The disk is full.
        case noSpace
        /// Reading or writing a file failed otherwise.
        case io
        /// SQLite refused a statement.
        case index
    }

    /// The code.
    public let code: Code
    /// What happened, naming the file or table, and what to do.
    public let message: String

    /// Creates an error.
    public init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    /// Whether a later try may succeed without the input changing.
    public var isTransient: Bool { [.busy, .noSpace, .io].contains(code) }

    /// Whether the file system is full.
    public var isOutOfSpace: Bool { code == .noSpace }

    /// The message.
    public var description: String { message }
}

extension StoreError {
    /// A file operation's failure.
    init(_ error: FileError) {
        self.init(error.isOutOfSpace ? .noSpace : .io, error.description)
    }

    /// SQLite's failure on the index at `path`. Result codes: sqlite.org/rescode.html.
    init(_ error: DatabaseError, index path: FilePath) {
        switch error.resultCode {
        case .SQLITE_CORRUPT, .SQLITE_NOTADB:
            self.init(
                .corruptIndex,
                "\(path) is damaged (\(error.message ?? "no details")): stop the agent and run 'slipway store rebuild-index'"
            )
        case .SQLITE_BUSY, .SQLITE_LOCKED:
            self.init(.busy, "\(path) is locked by another process: try again")
        case .SQLITE_FULL:
            self.init(.noSpace, "cannot write \(path): the disk is full")
        case .SQLITE_IOERR, .SQLITE_CANTOPEN:
            // A full file system shows as an I/O error where SQLite grows its shared memory.
            let free = (try? FileSystemStatus.of(path.removingLastComponent()))?.availableBytes
            let isFull = free.map { $0 < 1 << 20 } ?? false
            self.init(
                isFull ? .noSpace : .io,
                "cannot read or write \(path): \(isFull ? "the disk is full" : error.message ?? "I/O error")"
            )
        default:
            self.init(
                .index,
                "\(path): \(error.message ?? "error") (SQLite \(error.extendedResultCode.rawValue))"
            )
        }
    }

    /// Runs `body` and turns the errors of files and of SQLite into store errors.
    static func translating<Success>(index path: FilePath, _ body: () throws -> Success) throws -> Success {
        do { return try body() } catch { throw translated(error, index: path) }
    }

    /// The store's error for any other; cancellation stays what it is.
    static func translated(_ error: any Error, index path: FilePath) -> any Error {
        switch error {
        case let error as FileError: StoreError(error)
        case let error as DatabaseError: StoreError(error, index: path)
        default: error
        }
    }
}
