/// Lengths of time, read and written.
public enum DurationText {
    private static let units: [(unit: String, nanoseconds: Int64)] = [
        ("d", 86_400_000_000_000), ("h", 3_600_000_000_000), ("m", 60_000_000_000), ("s", 1_000_000_000),
        ("ms", 1_000_000), ("us", 1_000), ("ns", 1),
    ]

    /// Whole numbers with units, larger before smaller: `300ms`, `24h`, `1h30m`; also `0`. Nil for anything else,
    /// or past 292 years.
    public static func parse(_ text: String) -> Duration? {
        if text == "0" { return .zero }
        var rest = Substring(text)
        var total: Int64 = 0
        var largest = Int64.max
        guard !rest.isEmpty else { return nil }
        while !rest.isEmpty {
            let digits = rest.prefix { $0.isASCII && $0.isNumber }
            rest = rest.dropFirst(digits.count)
            let name = rest.prefix { $0.isASCII && $0.isLetter }
            rest = rest.dropFirst(name.count)
            guard let number = Int64(digits), let unit = units.first(where: { $0.unit == name }),
                unit.nanoseconds < largest
            else { return nil }
            largest = unit.nanoseconds
            let (product, overflow) = number.multipliedReportingOverflow(by: unit.nanoseconds)
            let (sum, overflow2) = total.addingReportingOverflow(product)
            guard !overflow, !overflow2 else { return nil }
            total = sum
        }
        return .nanoseconds(total)
    }

    /// The shortest form that ``parse(_:)`` reads, hours being the largest unit: `24h`, `1h30m`, `300ms`, `0s`.
    public static func text(_ duration: Duration) -> String {
        let (seconds, attoseconds) = duration.components
        let (scaled, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
        var rest = overflow ? Int64.max : scaled + attoseconds / 1_000_000_000
        guard rest > 0 else { return "0s" }
        var text = ""
        for (unit, nanoseconds) in units.dropFirst() where rest >= nanoseconds {
            text += "\(rest / nanoseconds)\(unit)"
            rest %= nanoseconds
        }
        return text
    }
}
