/// Sizes in bytes, read and written.
public enum ByteCount {
    private static let binary: [(unit: String, shift: UInt64)] = [
        ("TiB", 40), ("GiB", 30), ("MiB", 20), ("KiB", 10),
    ]

    /// A whole number with an optional unit: `B`; `K`, `M`, `G`, `T` and `KiB`, `MiB`, `GiB`, `TiB` are powers of
    /// 1024, `KB`, `MB`, `GB`, `TB` of 1000 (the convention of truncate(1)). Nil for anything else, or past 2⁶⁴.
    public static func parse(_ text: String) -> UInt64? {
        let digits = text.utf8.prefix { (48...57).contains($0) }
        guard let number = UInt64(Substring(digits)) else { return nil }
        var unit = text.dropFirst(digits.count)
        if unit.first == " " { unit = unit.dropFirst() }
        let factor: UInt64
        switch unit {
        case "", "B": factor = 1
        case "K", "Ki", "KiB": factor = 1 << 10
        case "M", "Mi", "MiB": factor = 1 << 20
        case "G", "Gi", "GiB": factor = 1 << 30
        case "T", "Ti", "TiB": factor = 1 << 40
        case "KB", "kB": factor = 1_000
        case "MB": factor = 1_000_000
        case "GB": factor = 1_000_000_000
        case "TB": factor = 1_000_000_000_000
        default: return nil
        }
        let (product, overflow) = number.multipliedReportingOverflow(by: factor)
        return overflow ? nil : product
    }

    /// The shortest exact form that ``parse(_:)`` reads: `512MiB`, `1000`.
    public static func text(_ bytes: UInt64) -> String {
        for (unit, shift) in binary where bytes > 0 && bytes & (1 << shift - 1) == 0 {
            return "\(bytes >> shift)\(unit)"
        }
        return "\(bytes)"
    }

    /// A rounded form for people, three digits or so: `1.4 GiB`, `17 KiB`, `9 B`.
    public static func rounded(_ bytes: UInt64) -> String {
        for (unit, shift) in binary where bytes >> shift > 0 {
            let value = Double(bytes) / Double(UInt64(1) << shift)
            guard value < 9.95 else { return "\(UInt64(value.rounded())) \(unit)" }
            return "\(UInt64((value * 10).rounded()) / 10).\(UInt64((value * 10).rounded()) % 10) \(unit)"
        }
        return "\(bytes) B"
    }
}
