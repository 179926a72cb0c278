import CShims
import Glibc
public import SystemPackage

/// Operations on folders and names.
public enum Directory {
    /// The names in a folder, without `.` and `..`, in the order the file system gives them.
    public static func names(in path: FilePath) throws(FileError) -> [FilePath.Component] {
        guard let stream = path.withPlatformString({ opendir($0) }) else {
            throw FileError("list", path, Errno(rawValue: Glibc.errno))
        }
        defer { closedir(stream) }
        // `.` and `..` are components of a kind of their own.
        return try names(in: stream, of: path) { FilePath(platformString: $0).lastComponent }
            .filter { $0.kind == .regular }
    }

    /// What `parse` makes of each name in a folder's stream, from where it stands; what it makes nothing of is left out.
    static func names<Name>(
        in stream: OpaquePointer,
        of path: FilePath,
        _ parse: (UnsafePointer<CChar>) -> Name?
    ) throws(FileError) -> [Name] {
        var names: [Name] = []
        while true {
            Glibc.errno = 0
            guard let entry = readdir(stream) else {
                if Glibc.errno != 0 { throw FileError("list", path, Errno(rawValue: Glibc.errno)) }
                return names
            }
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256, parse)
            }
            if let name { names.append(name) }
        }
    }

    /// Creates a folder and the parents it lacks; one that is there already is fine.
    public static func create(
        _ path: FilePath,
        permissions: FilePermissions = FilePermissions(rawValue: 0o755)
    ) throws(FileError) {
        do {
            try retryingSystemCall("create the folder", path) {
                path.withPlatformString { mkdir($0, permissions.rawValue) }
            }
        } catch  where error.errno == .fileExists {
            guard try FileStatus.of(path)?.kind != .regular else { throw error }
        } catch  where error.errno == .noSuchFileOrDirectory && !path.removingLastComponent().isEmpty {
            try create(path.removingLastComponent(), permissions: permissions)
            try create(path, permissions: permissions)
        }
    }

    /// Makes the names in a folder durable (fsync of the folder).
    public static func synchronize(_ path: FilePath) throws(FileError) {
        try File(path, .readOnly, options: .directory).synchronize()
    }

    /// Renames, replacing what is at `to` unless `replacing` is false (then EEXIST).
    public static func rename(_ from: FilePath, to: FilePath, replacing: Bool = true) throws(FileError) {
        try retryingSystemCall("rename to \(to)", from) {
            from.withPlatformString { source in
                to.withPlatformString { target in
                    replacing ? Glibc.rename(source, target) : shim_rename_noreplace(source, target, 0)
                }
            }
        }
    }

    /// Removes a file; one that is not there is fine.
    public static func unlink(_ path: FilePath) throws(FileError) {
        do {
            try retryingSystemCall("remove", path) { path.withPlatformString { Glibc.unlink($0) } }
        } catch  where error.errno == .noSuchFileOrDirectory {}
    }

    /// Removes a file or a folder with everything in it, never following a symbolic link; nothing there is fine.
    public static func removeTree(_ path: FilePath) throws(FileError) {
        guard let status = try FileStatus.of(path) else { return }
        guard status.kind == .directory else { return try unlink(path) }
        for name in try names(in: path) { try removeTree(path.appending(name)) }
        do {
            try retryingSystemCall("remove", path) { path.withPlatformString { rmdir($0) } }
        } catch  where error.errno == .noSuchFileOrDirectory {}
    }
}
