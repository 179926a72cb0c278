import CCurl
import Glibc

/// The wall clock, which only dates from a registry are compared with.
enum WallTime {
    /// Seconds since 1970.
    static func seconds() -> Int64 { Int64(time(nil)) }
}

/// The header field that says how long a server wants to be left alone.
enum RetryAfter {
    /// A wait longer than this is taken for a mistake and cut.
    private static let limit: Int64 = 86_400

    /// Reads a number of seconds or an HTTP date in any of its three forms (RFC 9110, 10.2.3 and 5.6.7); nil for
    /// anything else.
    static func parse(_ text: String, now: Int64) -> Duration? {
        let text = text.trimmingWhitespace()
        if !text.isEmpty, text.utf8.allSatisfy({ (48...57).contains($0) }) {
            return .seconds(min(Int64(text) ?? limit, limit))
        }
        guard text.first?.isLetter == true else { return nil }
        let date = Int64(curl_getdate(text, nil))
        guard date >= 0 else { return nil }
        return .seconds(min(max(0, date - now), limit))
    }
}
