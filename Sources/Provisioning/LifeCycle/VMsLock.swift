import Host
import SystemPackage

/// Keeps two processes (the agent and the command line) from changing VMs at the same time. The lock goes with the
/// value, or with the process.
///
/// The lock file is one byte long while someone holds it: whoever finds it so and free knows that its last holder was
/// killed at work.
final class VMsLock: Sendable {
    /// Whether the last holder was killed and may have left something half done.
    let wasAbandoned: Bool
    private let file: File

    private init(_ file: File) throws(FileError) {
        self.file = file
        wasAbandoned = try file.status().size > 0
        // Takes no space, so that a full disk hinders nobody.
        try file.truncate(to: 1)
    }

    deinit {
        // The mark, where it stays, costs the next holder a look around; the lock goes with the file all the same.
        _ = try? file.truncate(to: 0)
        _ = try? file.unlock()
    }

    /// Waits for the lock of a folder of VMs, at most some seconds.
    static func acquire(_ vms: FilePath, patience: Duration = .seconds(10)) async throws -> VMsLock {
        try Directory.create(vms, permissions: FilePermissions(rawValue: 0o750))
        let file = try File(path(vms), .readWrite, options: [.create, .noFollow])
        let deadline = ContinuousClock.now + patience
        while try !file.tryLock() {
            guard ContinuousClock.now < deadline else {
                throw VMError.busy("another process is at work on the VMs in \(vms); try again")
            }
            try await Task.sleep(for: .milliseconds(20))
        }
        return try VMsLock(file)
    }

    /// Whether someone who held the lock was killed, and nobody has held it since.
    static func isAbandoned(_ vms: FilePath) throws(FileError) -> Bool {
        guard let status = try FileStatus.of(path(vms)), status.size > 0 else { return false }
        return try !File(path(vms), .readOnly, options: .noFollow).isLockedByAnother()
    }

    private static func path(_ vms: FilePath) -> FilePath { vms.appending(".lock") }
}
