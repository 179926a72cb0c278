import Glibc

/// What people read on the wall; nothing is decided by it.
struct WallClock: Sendable {
    /// Seconds since 1970.
    let now: @Sendable () -> Int64

    /// The host's clock.
    static let system = WallClock { Int64(time(nil)) }

    /// `2026-01-31T12:00:00Z` (RFC 3339).
    func timestamp() -> String { Self.format(now(), "%Y-%m-%dT%H:%M:%SZ") }

    /// `20260131T120000Z`, some seconds later.
    func compactTimestamp(later seconds: Int64 = 0) -> String {
        Self.format(now() + seconds, "%Y%m%dT%H%M%SZ")
    }

    private static func format(_ seconds: Int64, _ pattern: String) -> String {
        var seconds = time_t(seconds)
        var parts = tm()
        gmtime_r(&seconds, &parts)
        let text = [CChar](unsafeUninitializedCapacity: 64) { buffer, count in
            count = strftime(buffer.baseAddress, buffer.count, pattern, &parts)
        }
        return String(decoding: text.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
