/// A point on the store's own clock: nanoseconds of boot-time clock that have passed between the passes of this
/// store, kept in the index. A stepped wall clock changes nothing, a reboot continues it.
public struct StoreTime: Hashable, Comparable, Sendable, Codable {
    /// Nanoseconds since the store was made.
    public var nanoseconds: Int64

    /// Creates a point.
    public init(nanoseconds: Int64) { self.nanoseconds = nanoseconds }

    /// Earlier before later.
    public static func < (left: StoreTime, right: StoreTime) -> Bool { left.nanoseconds < right.nanoseconds }

    /// The point a while later; stops at the end of time rather than overflow.
    public static func + (time: StoreTime, duration: Duration) -> StoreTime {
        let (seconds, attoseconds) = duration.components
        let (product, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
        let (whole, overflow2) = product.addingReportingOverflow(attoseconds / 1_000_000_000)
        let (sum, overflow3) = whole.addingReportingOverflow(time.nanoseconds)
        guard !overflow, !overflow2, !overflow3 else {
            return StoreTime(nanoseconds: seconds < 0 ? .min : .max)
        }
        return StoreTime(nanoseconds: sum)
    }

    /// The time between two points.
    public static func - (left: StoreTime, right: StoreTime) -> Duration {
        .nanoseconds(left.nanoseconds) - .nanoseconds(right.nanoseconds)
    }
}
