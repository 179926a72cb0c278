import Documents
import Synchronization

/// Shows how much of the store was read, on a terminal only.
final class ScrubProgress: Sendable {
    private let isDrawn = Mutex(false)
    private let lastDrawn = Mutex<ContinuousClock.Instant?>(nil)

    func report(read: UInt64, of total: UInt64) {
        guard StandardError.isTerminal else { return }
        let now = ContinuousClock.now
        let isDue = lastDrawn.withLock { last in
            guard last.map({ now - $0 > .milliseconds(100) }) ?? true else { return false }
            last = now
            return true
        }
        guard isDue else { return }
        StandardError.write("\r\u{1B}[K\(ByteCount.rounded(read)) of \(ByteCount.rounded(total))")
        isDrawn.withLock { $0 = true }
    }

    func clear() { if isDrawn.withLock({ $0 }) { StandardError.write("\r\u{1B}[K") } }
}
