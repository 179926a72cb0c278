import Glibc
public import SystemPackage

extension Directory {
    /// A name in a folder and what it names.
    public struct Entry: Sendable, Equatable {
        /// The name; bytes that are no UTF-8 are replaced.
        public let name: String
        /// Whether the name on disk is this text, byte by byte.
        public let isText: Bool
        /// What it names, a symbolic link not followed.
        public let status: FileStatus
    }

    /// The entries of a folder, without `.` and `..`, in the order the file system gives them. Names that go away
    /// meanwhile are left out. Made for folders of many thousand entries: one system call each, no paths.
    public static func entries(in path: FilePath) throws(FileError) -> [Entry] {
        guard let stream = path.withPlatformString({ opendir($0) }) else {
            throw FileError("list", path, Errno(rawValue: Glibc.errno))
        }
        defer { closedir(stream) }
        let folder = dirfd(stream)
        var entries: [Entry] = []
        while true {
            Glibc.errno = 0
            guard let entry = readdir(stream) else {
                if Glibc.errno != 0 { throw FileError("list", path, Errno(rawValue: Glibc.errno)) }
                return entries
            }
            let outcome = withUnsafePointer(to: &entry.pointee.d_name) { field in
                field.withMemoryRebound(to: CChar.self, capacity: 256) { name in
                    Result { () throws(FileError) in try look(at: name, in: folder, path) }
                }
            }
            if let found = try outcome.get() { entries.append(found) }
        }
    }

    private static func look(
        at name: UnsafePointer<CChar>,
        in folder: Int32,
        _ path: FilePath
    ) throws(FileError) -> Entry? {
        if strcmp(name, ".") == 0 || strcmp(name, "..") == 0 { return nil }
        var raw = stat()
        do {
            try retryingSystemCall("stat", path.appending(String(cString: name))) {
                fstatat(folder, name, &raw, AT_SYMLINK_NOFOLLOW)
            }
        } catch  where error.errno == .noSuchFileOrDirectory { return nil }
        let text = String(validatingCString: name)
        return Entry(name: text ?? String(cString: name), isText: text != nil, status: FileStatus(raw))
    }
}
