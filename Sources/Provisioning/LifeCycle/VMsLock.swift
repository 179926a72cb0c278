import Host
import SystemPackage

/// Keeps two processes (the agent and the command line) from changing VMs at the same time. The lock goes with the
/// value, or with the process.
final class VMsLock: Sendable {
    private let file: File

    private init(_ file: File) { self.file = file }

    // An error leaves what closing the file does anyway.
    deinit { _ = try? file.unlock() }

    /// Waits for the lock of a folder of VMs, at most some seconds.
    static func acquire(_ vms: FilePath, patience: Duration = .seconds(10)) async throws -> VMsLock {
        try Directory.create(vms, permissions: FilePermissions(rawValue: 0o750))
        let file = try File(vms.appending(".lock"), .readWrite, options: [.create, .noFollow])
        let deadline = ContinuousClock.now + patience
        while try !file.tryLock() {
            guard ContinuousClock.now < deadline else {
                throw VMError.busy("another process is at work on the VMs in \(vms); try again")
            }
            try await Task.sleep(for: .milliseconds(20))
        }
        return VMsLock(file)
    }
}
