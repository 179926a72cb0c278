import CShims
import Glibc
public import SystemPackage

/// A folder held open, to look at much in it: one system call for each look, and no path put together.
public final class OpenFolder: Sendable {
    /// Where it lies, for messages.
    public let path: FilePath
    private let file: File

    /// Opens a folder.
    public init(_ path: FilePath) throws(FileError) {
        self.path = path
        file = try File(path, .readOnly, options: .directory)
    }

    /// The names in the folder that are text, without `.` and `..`, in the order the file system gives them.
    public func names() throws(FileError) -> [String] {
        // A description of its own, whose position nobody else moves.
        let descriptor = try retryingSystemCall("open", path) {
            openat(file.descriptor.rawValue, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        }
        guard let stream = fdopendir(descriptor) else {
            close(descriptor)
            throw FileError("list", path, Errno(rawValue: Glibc.errno))
        }
        defer { closedir(stream) }
        return try Directory.names(in: stream, of: path) { String(validatingCString: $0) }
            .filter { $0 != "." && $0 != ".." }
    }

    /// The status of what lies at a path below the folder, not following a symbolic link at its end; nil when there is
    /// nothing.
    public func status(_ relative: String) throws(FileError) -> FileStatus? {
        var raw = stat()
        guard fstatat(file.descriptor.rawValue, relative, &raw, AT_SYMLINK_NOFOLLOW) != 0 else {
            return FileStatus(raw)
        }
        let code = Errno(rawValue: Glibc.errno)
        guard code == .noSuchFileOrDirectory || code == .notDirectory else {
            throw FileError("stat", path.appending(relative), code)
        }
        return nil
    }

    /// Whether anyone holds a lock on a file below the folder; false when there is none.
    public func isLocked(_ relative: String) throws(FileError) -> Bool {
        let flags = O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK
        let descriptor = openat(file.descriptor.rawValue, relative, flags)
        guard descriptor >= 0 else {
            let code = Errno(rawValue: Glibc.errno)
            guard code == .noSuchFileOrDirectory else {
                throw FileError("open", path.appending(relative), code)
            }
            return false
        }
        defer { close(descriptor) }
        return try retryingSystemCall("probe the lock of", path) { shim_ofd_is_locked(descriptor) } == 1
    }
}
