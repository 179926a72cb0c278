import Documents
import Logging
import Synchronization

/// Says once that space is short and cannot be made, and once that it no longer is.
final class ShortageNotice: Sendable {
    private let logger: Logger
    private let isShort = Mutex(false)

    init(_ logger: Logger) { self.logger = logger }

    /// - Parameters:
    ///   - excess: bytes that should be freed.
    ///   - freed: bytes that are going to be.
    func note(excess: UInt64, freed: UInt64) {
        let isShort = freed < excess
        let wasShort = self.isShort.withLock { state in
            defer { state = isShort }
            return state
        }
        guard isShort != wasShort else { return }
        if isShort {
            logger.warning(
                """
                space is short (gc.highWater, gc.maxBytes): \(ByteCount.rounded(excess - freed)) too much would stay \
                if all went that nothing needs; take images out of the inbox and the queue, or unpin some
                """
            )
        } else {
            logger.notice("space is no longer short")
        }
    }
}
