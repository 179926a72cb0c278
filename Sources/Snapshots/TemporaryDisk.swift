import Host
import SystemPackage

/// Disks under construction, beside where they shall be. A lock on each tells other processes that someone works on it.
enum TemporaryDisk {
    private static let suffix = ".tmp"
    private static func prefix(_ name: String) -> String { ".\(name).making." }

    /// Makes an empty file, locked.
    static func open(
        beside path: FilePath,
        size: UInt64,
        permissions: FilePermissions
    ) throws(FileError) -> File {
        let name = path.lastComponent?.string ?? ""
        let file = try File(
            path.removingLastComponent().appending(
                "\(prefix(name))\(UInt64.random(in: 0 ... .max))\(suffix)"
            ),
            .readWrite,
            options: [.create, .exclusiveCreate],
            permissions: permissions
        )
        _ = try file.tryLock()
        try file.setPermissions(permissions)
        try file.truncate(to: size)
        return file
    }

    /// Removes what killed processes left of a disk.
    static func sweep(_ folder: FilePath, of disk: String) throws(FileError) {
        for name in try Directory.names(in: folder).map(\.string)
        where name.hasPrefix(prefix(disk)) && name.hasSuffix(suffix) {
            let leftover = folder.appending(name)
            let file: File
            do { file = try File(leftover, .readWrite, options: .noFollow) } catch { continue }
            if try file.tryLock() { try Directory.unlink(leftover) }
        }
    }
}
