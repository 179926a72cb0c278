import Glibc
public import SystemPackage

/// What kind of file a directory entry is.
public enum FileKind: Sendable, Equatable {
    case regular, directory, symbolicLink, characterDevice, blockDevice, fifo, socket
}

/// A file's status (stat(2)) with the fields that Slipway uses.
public struct FileStatus: Sendable, Equatable {
    /// What it is.
    public let kind: FileKind
    /// The device it lies on; may change over a reboot.
    public let device: UInt64
    /// Its inode number.
    public let inode: UInt64
    /// Permission bits with setuid, setgid and sticky.
    public let permissions: FilePermissions
    /// Number of hard links.
    public let linkCount: UInt64
    /// Owner.
    public let userID: UInt32
    /// Group.
    public let groupID: UInt32
    /// Size in bytes.
    public let size: UInt64
    /// Bytes that the file takes on disk.
    public let allocatedBytes: UInt64
    /// Device number of a device node.
    public let deviceNumber: UInt64
    /// Last change of content, nanoseconds since 1970.
    public let modified: Int64
    /// Last change of content or inode, nanoseconds since 1970.
    public let changed: Int64

    init(_ raw: stat) {
        kind =
            switch raw.st_mode & Glibc.S_IFMT {
            case Glibc.S_IFDIR: .directory
            case Glibc.S_IFLNK: .symbolicLink
            case Glibc.S_IFCHR: .characterDevice
            case Glibc.S_IFBLK: .blockDevice
            case Glibc.S_IFIFO: .fifo
            case Glibc.S_IFSOCK: .socket
            default: .regular
            }
        device = UInt64(raw.st_dev)
        inode = UInt64(raw.st_ino)
        permissions = FilePermissions(rawValue: raw.st_mode & 0o7777)
        linkCount = UInt64(raw.st_nlink)
        userID = raw.st_uid
        groupID = raw.st_gid
        size = UInt64(raw.st_size)
        allocatedBytes = UInt64(raw.st_blocks) * 512
        deviceNumber = UInt64(raw.st_rdev)
        modified = Int64(raw.st_mtim.tv_sec) &* 1_000_000_000 &+ Int64(raw.st_mtim.tv_nsec)
        changed = Int64(raw.st_ctim.tv_sec) &* 1_000_000_000 &+ Int64(raw.st_ctim.tv_nsec)
    }

    /// The status of what lies at `path`, not following a symbolic link; nil when there is nothing.
    public static func of(_ path: FilePath) throws(FileError) -> FileStatus? {
        var raw = stat()
        do {
            try retryingSystemCall("stat", path) { path.withPlatformString { lstat($0, &raw) } }
        } catch  where error.errno == .noSuchFileOrDirectory || error.errno == .notDirectory {
            return nil
        }
        return FileStatus(raw)
    }
}
