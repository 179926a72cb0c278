public import SystemPackage

/// Publishes small files so that a reader, or a crash at any moment, sees the old bytes or the new, never a mix.
public enum AtomicFile {
    /// The whole content of a regular file, at most `limit` bytes (more is EFBIG); nil when it is not there.
    /// A symbolic link is not followed.
    public static func read(_ path: FilePath, limit: Int = 64 << 20) throws(FileError) -> [UInt8]? {
        let file: File
        do { file = try File.regular(path) } catch  where error.errno == .noSuchFileOrDirectory { return nil }
        let size = try file.status().size
        guard size <= UInt64(limit) else { throw FileError("read", path, .fileTooLarge) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: Swift.max(4096, Int(size) + 1))
        while true {
            // The closure form of withUnsafeMutableBytes cannot carry a typed error through, hence the Result.
            let outcome = chunk.withUnsafeMutableBytes { buffer in
                Result { () throws(FileError) in try file.read(into: buffer) }
            }
            let count = try outcome.get()
            if count == 0 { return bytes }
            bytes.append(contentsOf: chunk[..<count])
            guard bytes.count <= limit else { throw FileError("read", path, .fileTooLarge) }
        }
    }

    /// Writes `bytes` to a temporary file beside `path`, makes it durable, renames it into place and makes the
    /// name durable. A file that holds these bytes already is left untouched.
    ///
    /// - Returns: whether anything was written.
    @discardableResult
    public static func write(
        _ bytes: some Collection<UInt8>,
        to path: FilePath,
        permissions: FilePermissions = FilePermissions(rawValue: 0o640)
    ) throws(FileError) -> Bool {
        let content = Array(bytes)
        // What cannot be read is not the same, and writing will say what is wrong with it.
        if let old = try? read(path), old == content { return false }
        let file = try TemporaryFile.create(beside: path, permissions: permissions)
        do {
            let outcome = content.withUnsafeBytes { buffer in
                Result { () throws(FileError) in try file.writeAll(buffer) }
            }
            try outcome.get()
            try file.setPermissions(permissions)
            try file.synchronize()
            try Directory.rename(file.path, to: path)
            try file.unlock()
        } catch {
            _ = try? Directory.unlink(file.path)
            throw error
        }
        let folder = path.removingLastComponent()
        try Directory.synchronize(folder.isEmpty ? "." : folder)
        return true
    }
}
