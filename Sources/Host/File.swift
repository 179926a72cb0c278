import CShims
import Glibc
public import SystemPackage

/// An open file that closes itself.
///
/// Offsets and counts are bytes. Every failure is a ``FileError`` with the path the file was opened by.
public final class File: Sendable {
    /// The descriptor, open as long as this value lives.
    public let descriptor: FileDescriptor
    /// The path it was opened by, for messages.
    public let path: FilePath

    /// Takes ownership of an open descriptor.
    public init(owning descriptor: FileDescriptor, path: FilePath) {
        self.descriptor = descriptor
        self.path = path
    }

    /// Makes an empty file in memory, open for reading and writing; it goes with the value.
    public static func inMemory(named name: String) throws(FileError) -> File {
        let descriptor = shim_memory_file(name)
        guard descriptor >= 0 else {
            throw FileError("create in memory", FilePath(name), Errno(rawValue: errno))
        }
        return File(owning: FileDescriptor(rawValue: descriptor), path: FilePath(name))
    }

    deinit {
        // Data that matters is synchronised before; an error of close itself has nobody left to act on it.
        _ = Glibc.close(descriptor.rawValue)
    }

    /// Opens a file. Always close-on-exec; new files get `permissions` less the umask.
    public convenience init(
        _ path: FilePath,
        _ access: FileDescriptor.AccessMode,
        options: FileDescriptor.OpenOptions = [],
        permissions: FilePermissions = FilePermissions(rawValue: 0o640)
    ) throws(FileError) {
        do {
            let descriptor = try FileDescriptor.open(
                path,
                access,
                options: options.union(.closeOnExec),
                permissions: permissions
            )
            self.init(owning: descriptor, path: path)
        } catch let code as Errno {
            throw FileError("open", path, code)
        } catch {
            // swift-system throws nothing but Errno here; its signature is untyped.
            throw FileError("open", path, .ioError)
        }
    }

    /// Opens an existing regular file for reading without following a symbolic link and without waiting for a
    /// FIFO's writer. Anything but a regular file is refused.
    public static func regular(_ path: FilePath) throws(FileError) -> File {
        let file = try File(path, .readOnly, options: [.noFollow, .nonBlocking])
        guard try file.status().kind == .regular else {
            throw FileError("read as a regular file", path, .invalidArgument)
        }
        return file
    }

    /// Reads up to the buffer's size at the file position; 0 at the end.
    public func read(into buffer: UnsafeMutableRawBufferPointer) throws(FileError) -> Int {
        try retryingSystemCall("read", path) {
            Glibc.read(descriptor.rawValue, buffer.baseAddress, buffer.count)
        }
    }

    /// Reads up to the buffer's size at `offset`; 0 at the end.
    public func read(into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64) throws(FileError) -> Int {
        try retryingSystemCall("read", path) {
            Glibc.pread(descriptor.rawValue, buffer.baseAddress, buffer.count, off_t(offset))
        }
    }

    /// Writes the whole buffer at the file position.
    public func writeAll(_ buffer: UnsafeRawBufferPointer) throws(FileError) {
        var rest = buffer[...]
        while !rest.isEmpty {
            let part = UnsafeRawBufferPointer(rebasing: rest)
            let written = try retryingSystemCall("write", path) {
                Glibc.write(descriptor.rawValue, part.baseAddress, part.count)
            }
            rest = rest.dropFirst(written)
        }
    }

    /// Writes the whole buffer at `offset`.
    public func writeAll(_ buffer: UnsafeRawBufferPointer, at offset: UInt64) throws(FileError) {
        var rest = buffer[...]
        var position = off_t(offset)
        while !rest.isEmpty {
            let part = UnsafeRawBufferPointer(rebasing: rest)
            let written = try retryingSystemCall("write", path) {
                Glibc.pwrite(descriptor.rawValue, part.baseAddress, part.count, position)
            }
            rest = rest.dropFirst(written)
            position += off_t(written)
        }
    }

    /// Makes content and size durable (fsync).
    public func synchronize() throws(FileError) {
        try retryingSystemCall("fsync", path) { Glibc.fsync(descriptor.rawValue) }
    }

    /// Sets the size; a longer file reads as zeros there.
    public func truncate(to size: UInt64) throws(FileError) {
        try retryingSystemCall("truncate", path) { Glibc.ftruncate(descriptor.rawValue, off_t(size)) }
    }

    /// Sets the permission bits, whatever the umask.
    public func setPermissions(_ permissions: FilePermissions) throws(FileError) {
        try retryingSystemCall("chmod", path) { Glibc.fchmod(descriptor.rawValue, permissions.rawValue) }
    }

    /// The file's status.
    public func status() throws(FileError) -> FileStatus {
        var raw = stat()
        try retryingSystemCall("stat", path) { fstat(descriptor.rawValue, &raw) }
        return FileStatus(raw)
    }

    /// Takes an open-file-description lock on the whole file without waiting: false when another holds it.
    /// The lock goes when the last descriptor of this open file closes, also when the process is killed.
    public func tryLock(exclusive: Bool = true) throws(FileError) -> Bool {
        do {
            try retryingSystemCall("lock", path) { shim_ofd_lock(descriptor.rawValue, exclusive ? 1 : 0) }
            return true
        } catch  where error.errno == .resourceTemporarilyUnavailable || error.errno == .permissionDenied {
            return false
        }
    }

    /// Gives up this open file description's lock at once. Closing alone may do so later: a child that another thread
    /// is starting shares the description until it runs its program.
    public func unlock() throws(FileError) {
        try retryingSystemCall("unlock", path) { shim_ofd_unlock(descriptor.rawValue) }
    }

    /// Whether some other open file description holds a lock on any part of the file, of whatever kind.
    public func isLockedByAnother() throws(FileError) -> Bool {
        try retryingSystemCall("probe the lock of", path) { shim_ofd_is_locked(descriptor.rawValue) } == 1
    }

    /// Who else may be writing to a file.
    public enum Writers: Sendable, Equatable {
        /// No one on this machine has it open for writing.
        case none
        /// Someone has.
        case some
        /// It cannot be told: not our file, or a file system without leases.
        case unknown
    }

    /// Whether anyone has the file open for writing, told by a read lease (fcntl(2), F_SETLEASE).
    /// The file must be open read-only.
    public func writers() throws(FileError) -> Writers {
        do {
            try retryingSystemCall("probe the writers of", path) {
                shim_probe_read_lease(descriptor.rawValue)
            }
            return .none
        } catch  where error.errno == .resourceTemporarilyUnavailable {
            return .some
        } catch
            where [.permissionDenied, .notPermitted, .invalidArgument, .notSupported].contains(error.errno)
        {
            return .unknown
        }
    }
}
