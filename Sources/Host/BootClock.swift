import Glibc
import SystemPackage

/// A reading of CLOCK_BOOTTIME with the boot it belongs to: never steps, counts suspension, starts anew at boot.
public struct BootClock: Sendable, Equatable {
    /// The kernel's random identifier of this boot (`/proc/sys/kernel/random/boot_id`).
    public let bootID: String
    /// Nanoseconds since boot.
    public let nanoseconds: Int64

    /// Creates a reading, for tests that make time.
    public init(bootID: String, nanoseconds: Int64) {
        self.bootID = bootID
        self.nanoseconds = nanoseconds
    }

    /// The clock now.
    public static func now() throws(FileError) -> BootClock {
        var time = timespec()
        clock_gettime(CLOCK_BOOTTIME, &time)
        let bytes = try AtomicFile.read("/proc/sys/kernel/random/boot_id", limit: 4096) ?? []
        let identifier = String(decoding: bytes, as: UTF8.self).filter { !$0.isWhitespace }
        return BootClock(
            bootID: identifier,
            nanoseconds: Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
        )
    }
}
