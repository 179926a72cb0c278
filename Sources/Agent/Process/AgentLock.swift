import Host
public import SystemPackage

/// The lock that one agent holds on a root. It goes with the process, however that ends.
public final class AgentLock: Sendable {
    private let file: File

    /// Takes the lock.
    ///
    /// - Throws: ``Held`` when another process has it; `FileError` when the file cannot be made.
    public init(_ path: FilePath) throws {
        file = try Self.open(path)
        guard try file.tryLock() else { throw Held(path: path) }
    }

    /// Whether some process holds the lock. A lock file that is not there is not held.
    public static func isHeld(_ path: FilePath) throws -> Bool {
        guard try FileStatus.of(path) != nil else { return false }
        return try File(path, .readOnly, options: .noFollow).isLockedByAnother()
    }

    /// Asks the agent that holds the lock, if one does, for a pass: it watches the file for being opened and closed.
    /// Its slow timer makes up for a request that goes astray.
    public static func requestPass(_ path: FilePath) throws {
        guard try isHeld(path) else { return }
        _ = try File(path, .writeOnly, options: .noFollow)
    }

    private static func open(_ path: FilePath) throws -> File {
        try Directory.create(path.removingLastComponent())
        return try File(path, .readWrite, options: [.create, .noFollow])
    }

    /// Another agent serves this root.
    public struct Held: Error, CustomStringConvertible {
        /// The lock file.
        public let path: FilePath
        /// In words.
        public var description: String {
            "another agent runs on \(path.removingLastComponent()); it holds \(path)"
        }
    }
}
