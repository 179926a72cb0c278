import CShims
import Glibc
public import SystemPackage

/// What tells one state of folders from another without remembering it: the names in them and what stat(2) says of each,
/// whatever their order. Holds within one process.
///
/// Made for folders of many thousand entries: one system call for each, nothing allocated.
public struct FolderFingerprint: Hashable, Sendable {
    private var sum: UInt64 = 0
    private var entries = 0

    /// Of nothing.
    public init() {}

    /// Adds a folder, and those folders in it whose names end so with all below them.
    ///
    /// - Parameters:
    ///   - ending: nil to enter no folder.
    ///   - depth: how many folders may lie in one another below the named ones.
    public mutating func add(
        _ folder: FilePath,
        enteringNamesEndingIn ending: String? = nil,
        depth: Int = 3
    ) throws(FileError) {
        try add(folder, entering: ending, depth: ending == nil ? 0 : depth)
    }

    /// Adds, for each folder in `parent` whose name is not hidden, its name, files in it with their times, and a disk in it:
    /// its size, and whether anyone holds a lock on it. Whoever uses a disk changes its times all the while.
    public mutating func addFolders(in parent: FilePath, files: [String], disk: String) throws(FileError) {
        try Self.forEachName(in: parent) { name, folder in
            guard name.pointee != 0, name.pointee != CChar(bitPattern: UInt8(ascii: ".")) else { return }
            for file in files {
                Self.withPath(name, file) { path in
                    var raw = stat()
                    guard fstatat(folder, path, &raw, AT_SYMLINK_NOFOLLOW) == 0 else {
                        return combine(path, error: Glibc.errno)
                    }
                    combine(path, raw, .whole)
                }
            }
            Self.withPath(name, disk) { path in addDisk(path, in: folder) }
        }
    }

    /// Adds disks by their paths below `parent`, as ``addFolders(in:files:disk:)`` does.
    public mutating func addDisks(_ paths: [String], in parent: FilePath) throws(FileError) {
        guard !paths.isEmpty else { return }
        let folder = try File(parent, .readOnly, options: .directory)
        for path in paths { path.withCString { addDisk($0, in: folder.descriptor.rawValue) } }
    }

    // MARK: One folder

    private mutating func add(_ folder: FilePath, entering ending: String?, depth: Int) throws(FileError) {
        var inner: [FilePath] = []
        try Self.forEachName(in: folder) { name, descriptor in
            var raw = stat()
            if name.pointee == 0 {
                // Not the folder's own times: what is written under an ignored name changes them as well.
                if fstat(descriptor, &raw) == 0 { combine(name, raw, .kind) }
                return
            }
            // A name that went away since it was listed counts as one that was not there.
            guard fstatat(descriptor, name, &raw, AT_SYMLINK_NOFOLLOW) == 0 else { return }
            combine(name, raw, .whole)
            guard depth > 0, raw.st_mode & S_IFMT == S_IFDIR else { return }
            if let ending, !Self.ends(name, ending) { return }
            inner.append(folder.appending(String(cString: name)))
        }
        for folder in inner {
            do throws(FileError) { try add(folder, entering: nil, depth: depth - 1) } catch
                where error.errno == .noSuchFileOrDirectory
            {}
        }
    }

    private mutating func addDisk(_ path: UnsafePointer<CChar>, in folder: Int32) {
        let descriptor = openat(folder, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)
        guard descriptor >= 0 else { return combine(path, error: Glibc.errno) }
        defer { close(descriptor) }
        var raw = stat()
        guard fstat(descriptor, &raw) == 0 else { return combine(path, error: Glibc.errno) }
        combine(path, raw, .size, isLocked: shim_ofd_is_locked(descriptor))
    }

    /// Calls `body` with every name in a folder and the folder's descriptor, first with an empty name for the folder itself.
    private static func forEachName(
        in folder: FilePath,
        _ body: (UnsafePointer<CChar>, Int32) -> Void
    ) throws(FileError) {
        guard let stream = folder.withPlatformString({ opendir($0) }) else {
            throw FileError("list", folder, Errno(rawValue: Glibc.errno))
        }
        defer { closedir(stream) }
        let descriptor = dirfd(stream)
        var empty: CChar = 0
        body(&empty, descriptor)
        while true {
            Glibc.errno = 0
            guard let entry = readdir(stream) else {
                if Glibc.errno != 0 { throw FileError("list", folder, Errno(rawValue: Glibc.errno)) }
                return
            }
            withUnsafePointer(to: &entry.pointee.d_name) { field in
                field.withMemoryRebound(to: CChar.self, capacity: 256) { name in
                    if strcmp(name, ".") != 0, strcmp(name, "..") != 0 { body(name, descriptor) }
                }
            }
        }
    }

    /// `name/file`, put together on the stack.
    private static func withPath(
        _ name: UnsafePointer<CChar>,
        _ file: String,
        _ body: (UnsafePointer<CChar>) -> Void
    ) {
        let length = strlen(name)
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: length + file.utf8.count + 2) { path in
            guard let start = path.baseAddress else { return }
            memcpy(start, name, length)
            start[length] = CChar(bitPattern: UInt8(ascii: "/"))
            file.withCString { _ = strcpy(start + length + 1, $0) }
            body(start)
        }
    }

    // MARK: Combining

    /// How much of a status counts.
    private enum Depth { case kind, size, whole }

    private mutating func combine(
        _ name: UnsafePointer<CChar>,
        _ raw: stat,
        _ depth: Depth,
        isLocked: Int32 = 0
    ) {
        var hasher = Hasher()
        hasher.combine(bytes: UnsafeRawBufferPointer(start: name, count: strlen(name)))
        hasher.combine(raw.st_ino)
        hasher.combine(raw.st_mode)
        hasher.combine(isLocked)
        if depth != .kind { hasher.combine(raw.st_size) }
        if depth == .whole {
            hasher.combine(raw.st_mtim.tv_sec)
            hasher.combine(raw.st_mtim.tv_nsec)
            hasher.combine(raw.st_ctim.tv_sec)
            hasher.combine(raw.st_ctim.tv_nsec)
        }
        add(hasher)
    }

    private mutating func combine(_ name: UnsafePointer<CChar>, error: Int32) {
        var hasher = Hasher()
        hasher.combine(bytes: UnsafeRawBufferPointer(start: name, count: strlen(name)))
        hasher.combine(error)
        add(hasher)
    }

    private mutating func add(_ hasher: Hasher) {
        sum &+= UInt64(bitPattern: Int64(hasher.finalize()))
        entries += 1
    }

    private static func ends(_ name: UnsafePointer<CChar>, _ ending: String) -> Bool {
        let (length, suffix) = (strlen(name), ending.utf8.count)
        return length >= suffix && strcmp(name + (length - suffix), ending) == 0
    }
}
