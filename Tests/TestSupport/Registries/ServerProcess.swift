import Glibc
import Host
public import SystemPackage

/// A server that runs beside the tests on a port of its own choosing, and goes with the value, or with the tests.
public final class ServerProcess: Sendable {
    /// Where it listens on 127.0.0.1.
    public let port: Int
    /// What it printed, standard error among it.
    public let log: FilePath
    private let folder: TemporaryDirectory
    private let process: pid_t
    private let lifeline: FileDescriptor

    /// Starts a program and waits until it has said where it listens.
    ///
    /// - Parameter marker: What stands before the port in the program's output.
    public init(_ program: String, _ arguments: [String], marker: String) async throws {
        folder = try TemporaryDirectory("server")
        log = folder.appending("log")
        // The shell reads until the pipe breaks, which it does when this process ends in whatever way.
        let script = "\"$@\" </dev/null & read -r line; kill -KILL $!"
        let words = ["/bin/sh", "-c", script, "sh", program] + arguments
        (process, lifeline) = try Self.spawn(words, output: log)
        var found: Int?
        for _ in 0..<600 where found == nil {
            try await Task.sleep(for: .milliseconds(50))
            let text = String(decoding: try AtomicFile.read(log) ?? [], as: UTF8.self)
            if let range = text.firstRange(of: marker) {
                let rest = text[range.upperBound...]
                let digits = rest.prefix { $0.isNumber }
                if rest.endIndex != digits.endIndex { found = Int(digits) }
            }
        }
        guard let found else {
            let text = String(decoding: try AtomicFile.read(log) ?? [], as: UTF8.self)
            Self.end(process, lifeline)
            throw CommandFailure(description: "\(program) does not listen: \(text)")
        }
        port = found
    }

    deinit { stop() }

    /// Kills the server; what comes later finds nobody.
    public func stop() { Self.end(process, lifeline) }

    /// Everything that it printed so far.
    public func output() throws -> String { String(decoding: try AtomicFile.read(log) ?? [], as: UTF8.self) }

    private static func end(_ process: pid_t, _ lifeline: FileDescriptor) {
        // A second call finds the process gone, and the descriptor is not used again before.
        guard kill(-process, SIGKILL) == 0 else { return }
        var status: Int32 = 0
        waitpid(process, &status, 0)
        _ = try? lifeline.close()
    }

    private static func spawn(_ words: [String], output: FilePath) throws -> (pid_t, FileDescriptor) {
        var ends: [Int32] = [0, 0]
        // A pair of sockets rather than a pipe: closed in other children from the start.
        let kind = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue)
        try retryingSystemCall("socketpair", output) { socketpair(AF_UNIX, kind, 0, &ends) }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, ends[0], 0)
        posix_spawn_file_actions_addopen(&actions, 1, output.string, O_WRONLY | O_CREAT | O_APPEND, 0o600)
        posix_spawn_file_actions_adddup2(&actions, 1, 2)
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETPGROUP))
        var arguments: [UnsafeMutablePointer<CChar>?] = words.map { strdup($0) } + [nil]
        defer { for argument in arguments { free(argument) } }
        var process = pid_t()
        let code = posix_spawnp(&process, words[0], &actions, &attributes, &arguments, environ)
        _ = Glibc.close(ends[0])
        guard code == 0 else {
            _ = Glibc.close(ends[1])
            throw FileError("start", FilePath(words[0]), Errno(rawValue: code))
        }
        return (process, FileDescriptor(rawValue: ends[1]))
    }
}
