import Glibc
public import SystemPackage

/// Files that are written beside where they shall stand, as `.NAME.PID.RANDOM.tmp`.
///
/// Whoever writes one holds a lock on it, which ends with the process: what a killed process left is told from what
/// is being written, and can be swept at any time.
public enum TemporaryFile {
    private static let suffix = ".tmp"

    /// Makes an empty file, open for reading and writing, with a lock that its writer holds until the file has its name.
    ///
    /// - Throws: ``FileError``; `isDirectory` for a path without a name.
    public static func create(
        beside target: FilePath,
        permissions: FilePermissions = FilePermissions(rawValue: 0o640)
    ) throws(FileError) -> File {
        guard let name = target.lastComponent?.string else { throw FileError("write", target, .isDirectory) }
        let folder = target.removingLastComponent()
        while true {
            let file = try File(
                folder.appending(".\(name).\(getpid()).\(UInt32.random(in: 0 ... .max))\(suffix)"),
                .readWrite,
                options: [.create, .exclusiveCreate],
                permissions: permissions
            )
            // Before it was locked, a sweep may have taken it for one that was left: then another is made.
            if try file.tryLock(), try file.status().linkCount == 1 { return file }
        }
    }

    /// Removes what killed processes left in a folder, and nothing that someone still writes.
    ///
    /// - Parameter name: only what was to get this name; nil for every one.
    /// - Returns: how many files that were.
    @discardableResult
    public static func sweep(_ folder: FilePath, of name: String? = nil) throws(FileError) -> Int {
        let prefix = name.map { ".\($0)." } ?? "."
        var swept = 0
        for entry in try Directory.names(in: folder).map(\.string)
        where entry.hasPrefix(prefix) && entry.hasSuffix(suffix) {
            let leftover = folder.appending(entry)
            let file: File
            do { file = try File(leftover, .readWrite, options: [.noFollow, .nonBlocking]) } catch
                where [.noSuchFileOrDirectory, .tooManySymbolicLinkLevels, .isDirectory].contains(error.errno)
            { continue }
            guard try file.status().kind == .regular, try file.tryLock() else { continue }
            try Directory.unlink(leftover)
            try file.unlock()
            swept += 1
        }
        return swept
    }
}
