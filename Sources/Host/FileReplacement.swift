import Synchronization
public import SystemPackage

/// A file that is written beside its place and put there when it is complete: whoever looks sees the old content or the
/// new, never a part. What is not committed goes with the value.
public final class FileReplacement: Sendable {
    /// The file that is written, open for reading and writing.
    public let file: File
    /// Where it will be.
    public let path: FilePath

    private let isPending = Mutex(true)

    /// Creates the file, under a name that begins with a dot, in the folder of `path`.
    ///
    /// - Throws: ``FileError``; `isDirectory` for a path that names a folder.
    public init(_ path: FilePath, permissions: FilePermissions = FilePermissions(rawValue: 0o644))
        throws(FileError)
    {
        guard try FileStatus.of(path)?.kind != .directory else {
            throw FileError("write", path, .isDirectory)
        }
        self.path = path
        file = try TemporaryFile.create(beside: path, permissions: permissions)
    }

    deinit {
        // Nobody is left to tell; the name says what it is.
        _ = try? discard()
    }

    /// Removes the file unless it is in its place.
    public func discard() throws(FileError) {
        guard isPending.withLock({ $0 }) else { return }
        try Directory.unlink(file.path)
        isPending.withLock { $0 = false }
    }

    /// Makes the content durable. May take as long as the disk needs for it.
    public func synchronize() throws(FileError) { try file.synchronize() }

    /// Renames the file into its place and makes the name durable.
    public func commit() throws(FileError) {
        try Directory.rename(file.path, to: path)
        isPending.withLock { $0 = false }
        try file.unlock()
        let folder = path.removingLastComponent()
        try Directory.synchronize(folder.isEmpty ? "." : folder)
    }
}
