import Glibc
import Host
import Synchronization
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
    private let isStopped = Mutex(false)

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
        port = found ?? 0
        if found == nil {
            let text = String(decoding: try AtomicFile.read(log) ?? [], as: UTF8.self)
            stop()
            throw CommandFailure(description: "\(program) does not listen: \(text)")
        }
    }

    deinit { end() }

    /// Kills the server; what comes later finds nobody.
    public func stop() {
        end()
        // The kernel takes a moment to close what a killed process had open.
        for _ in 0..<500 where isListening { usleep(10_000) }
    }

    private var isListening: Bool {
        let socket = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        defer { _ = Glibc.close(socket) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(port).bigEndian
        address.sin_addr.s_addr = in_addr_t(INADDR_LOOPBACK).bigEndian
        return withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(socket, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
            }
        }
    }

    /// Everything that it printed so far.
    public func output() throws -> String { String(decoding: try AtomicFile.read(log) ?? [], as: UTF8.self) }

    private func end() {
        // Once: the numbers of the process and of the descriptor may be somebody else's afterwards.
        guard
            isStopped.withLock({ stopped in
                defer { stopped = true }; return !stopped
            })
        else { return }
        kill(-process, SIGKILL)
        var status: Int32 = 0
        waitpid(process, &status, 0)
        _ = Glibc.close(lifeline.rawValue)
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
