import Glibc
import Host
import SystemPackage

/// A folder on a tmpfs, that goes with the value. Synchronising costs nothing there, so that racing processes get
/// through many times more steps; a kill loses no more than it does on a disk.
final class MemoryDirectory: Sendable {
    let path = FilePath("/dev/shm/slipway-store-\(getpid())-\(UInt64.random(in: 0 ... .max))")

    init() throws { try Directory.create(path, permissions: FilePermissions(rawValue: 0o700)) }

    deinit {
        do { try Directory.removeTree(path) } catch { print("left behind \(path): \(error)") }
    }

    func appending(_ name: String) -> FilePath { path.appending(name) }
}
