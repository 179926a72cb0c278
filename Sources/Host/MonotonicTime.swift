import Glibc

/// Nanoseconds on a clock that never steps (CLOCK_MONOTONIC), for intervals within one process.
public enum MonotonicTime {
    /// The clock now.
    public static func now() -> Int64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }
}
