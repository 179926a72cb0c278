import Synchronization

/// When a blob is fetched in several ranges at once.
///
/// It pays where each connection is slow by itself: a registry or content network that limits connections, a long way
/// with small windows. It does not where the reader or the link is the limit, so a download begins as one stream and is
/// split only when that has run for a while, never once had to wait for its reader, and much is left.
package struct RangePolicy: Sendable {
    /// How long the one stream has a chance to show what it can do.
    package var patience = Duration.milliseconds(1500)
    /// The least that has to be left, in bytes.
    package var minimumRest: UInt64 = 24 << 20
    /// Bytes of a range; each range under way is in memory.
    package var rangeBytes: UInt64 = 4 << 20
    /// Ranges of a blob under way at once.
    package var connections = 4
    /// Blobs that are split at once: with their ranges they bound the memory.
    package var blobs = 2
}

/// Bounds how many blobs are split at once.
final class RangeBudget: Sendable {
    private let free: Mutex<Int>

    init(_ blobs: Int) { free = Mutex(blobs) }

    /// Takes a place if there is one.
    func take() -> Bool {
        free.withLock { free in
            guard free > 0 else { return false }
            free -= 1
            return true
        }
    }

    func giveBack() { free.withLock { $0 += 1 } }
}
