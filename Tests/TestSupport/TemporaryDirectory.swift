import Glibc
import Host
public import SystemPackage

/// A folder that is there for one test and goes with the value.
///
/// Lies below `SLIPWAY_TEST_TMP`, or `/var/tmp`: a real disk file system, where file-backed mounts, sparse files
/// and leases work as on a host (`/tmp` may be a tmpfs).
public final class TemporaryDirectory: Sendable {
    /// The folder, absolute.
    public let path: FilePath

    /// Creates an empty folder.
    ///
    /// - Parameter place: where, if not at the usual place.
    public init(_ label: String = "test", in place: FilePath? = nil) throws {
        let base = getenv("SLIPWAY_TEST_TMP").map { String(cString: $0) } ?? "/var/tmp"
        path = (place ?? FilePath(base)).appending(
            "slipway-\(label)-\(getpid())-\(UInt64.random(in: 0 ... .max))"
        )
        try Directory.create(path, permissions: FilePermissions(rawValue: 0o700))
    }

    deinit {
        do { try Directory.removeTree(path) } catch { print("left behind \(path): \(error)") }
    }

    /// A path in the folder.
    public func appending(_ name: String) -> FilePath { path.appending(name) }

    /// Writes a file and returns its path.
    @discardableResult
    public func write(_ bytes: some Collection<UInt8>, to name: String) throws -> FilePath {
        let target = appending(name)
        try Directory.create(target.removingLastComponent())
        let file = try File(
            target,
            .writeOnly,
            options: [.create, .truncate],
            permissions: FilePermissions(rawValue: 0o644)
        )
        let content = Array(bytes)
        try content.withUnsafeBytes { try file.writeAll($0) }
        return target
    }

    /// Writes text to a file and returns its path.
    @discardableResult
    public func write(_ text: String, to name: String) throws -> FilePath {
        try write(Array(text.utf8), to: name)
    }

    /// The bytes of a file in the folder, at most 1 GiB.
    public func bytes(of name: String) throws -> [UInt8] {
        guard let bytes = try AtomicFile.read(appending(name), limit: 1 << 30) else {
            throw CommandFailure(description: "\(appending(name)) is not there")
        }
        return bytes
    }
}
