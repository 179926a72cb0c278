import Glibc
public import SystemPackage

/// What tells one state of a folder from another without remembering it: the names in it and what stat(2) says of each,
/// whatever their order. Holds within one process.
///
/// Made for folders of many thousand entries: one system call each, nothing allocated.
public struct FolderFingerprint: Hashable, Sendable {
    private var sum: UInt64 = 0
    private var entries = 0

    /// Looks at a folder, and at those folders in it whose names end so with all below them.
    ///
    /// - Parameter depth: how many folders may lie in one another below the named ones.
    public init(of folder: FilePath, enteringNamesEndingIn ending: String, depth: Int = 3) throws(FileError) {
        try add(folder, entering: ending, depth: depth)
    }

    private mutating func add(_ folder: FilePath, entering ending: String?, depth: Int) throws(FileError) {
        guard let stream = folder.withPlatformString({ opendir($0) }) else {
            throw FileError("list", folder, Errno(rawValue: Glibc.errno))
        }
        defer { closedir(stream) }
        let descriptor = dirfd(stream)
        var raw = stat()
        try retryingSystemCall("stat", folder) { fstat(descriptor, &raw) }
        // Not the folder's own times: what is written under an ignored name changes them as well.
        combine(nil, raw, withTimes: false)
        var inner: [FilePath] = []
        while true {
            Glibc.errno = 0
            guard let entry = readdir(stream) else {
                if Glibc.errno != 0 { throw FileError("list", folder, Errno(rawValue: Glibc.errno)) }
                break
            }
            withUnsafePointer(to: &entry.pointee.d_name) { field in
                field.withMemoryRebound(to: CChar.self, capacity: 256) { name in
                    if strcmp(name, ".") == 0 || strcmp(name, "..") == 0 { return }
                    // A name that went away since it was listed counts as one that was not there.
                    guard fstatat(descriptor, name, &raw, AT_SYMLINK_NOFOLLOW) == 0 else { return }
                    combine(name, raw)
                    guard depth > 0, raw.st_mode & S_IFMT == S_IFDIR else { return }
                    if let ending, !Self.ends(name, ending) { return }
                    inner.append(folder.appending(String(cString: name)))
                }
            }
        }
        for folder in inner {
            do throws(FileError) { try add(folder, entering: nil, depth: depth - 1) } catch
                where error.errno == .noSuchFileOrDirectory
            {}
        }
    }

    private mutating func combine(_ name: UnsafePointer<CChar>?, _ raw: stat, withTimes: Bool = true) {
        var hasher = Hasher()
        if let name { hasher.combine(bytes: UnsafeRawBufferPointer(start: name, count: strlen(name))) }
        hasher.combine(raw.st_ino)
        hasher.combine(raw.st_mode)
        if withTimes {
            hasher.combine(raw.st_size)
            hasher.combine(raw.st_mtim.tv_sec)
            hasher.combine(raw.st_mtim.tv_nsec)
            hasher.combine(raw.st_ctim.tv_sec)
            hasher.combine(raw.st_ctim.tv_nsec)
        }
        sum &+= UInt64(bitPattern: Int64(hasher.finalize()))
        entries += 1
    }

    private static func ends(_ name: UnsafePointer<CChar>, _ ending: String) -> Bool {
        let (length, suffix) = (strlen(name), ending.utf8.count)
        return length >= suffix && strcmp(name + (length - suffix), ending) == 0
    }
}
