import Glibc
import Host
import Synchronization
import SystemPackage
import TestSupport

/// `slipway agent` on an installation, as a process that can be stopped, killed and looked at. It goes with the value.
final class RunningAgent: Sendable {
    private let process: pid_t
    private let log: FilePath
    private let hasEnded = Mutex(false)

    /// Starts it.
    ///
    /// - Parameter wrapper: a program that becomes the agent, with its arguments.
    init(_ installation: Installation, through wrapper: [String] = []) throws {
        log = installation.folder.appending("agent.log")
        let words = wrapper + [installation.program.string, "agent"] + installation.options
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_addopen(&actions, 1, log.string, O_WRONLY | O_CREAT | O_APPEND, 0o600)
        posix_spawn_file_actions_adddup2(&actions, 1, 2)
        var arguments: [UnsafeMutablePointer<CChar>?] = words.map { strdup($0) } + [nil]
        defer { for argument in arguments { free(argument) } }
        var process = pid_t()
        let code = posix_spawnp(&process, words[0], &actions, nil, &arguments, environ)
        guard code == 0 else { throw FileError("start", FilePath(words[0]), Errno(rawValue: code)) }
        self.process = process
    }

    deinit { kill() }

    /// Sends a signal.
    func send(_ signal: Int32) { Glibc.kill(process, signal) }

    /// Kills it; the kernel has taken everything back on return.
    func kill() {
        guard
            hasEnded.withLock({ ended in
                defer { ended = true }; return !ended
            })
        else { return }
        send(SIGKILL)
        var status: Int32 = 0
        waitpid(process, &status, 0)
    }

    /// Asks it to end, and waits until it has.
    func stop() async throws {
        send(SIGTERM)
        try await eventually("the agent to stop") {
            var status: Int32 = 0
            guard waitpid(process, &status, WNOHANG) == process else { return false }
            hasEnded.withLock { $0 = true }
            return true
        }
    }

    /// Everything that agents of this installation logged.
    func output() throws -> String { String(decoding: try AtomicFile.read(log) ?? [], as: UTF8.self) }

    /// The most memory that it held, in bytes (proc_pid_status(5), VmHWM).
    func peakMemory() throws -> UInt64 {
        let status = String(
            decoding: try AtomicFile.read(FilePath("/proc/\(process)/status")) ?? [],
            as: UTF8.self
        )
        let line = status.split(separator: "\n").first { $0.hasPrefix("VmHWM:") } ?? ""
        return (line.split(separator: " ").compactMap { UInt64($0.filter(\.isNumber)) }.first ?? 0) << 10
    }
}
