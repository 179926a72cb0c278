/// The rule for names of VMs: they name folders and hosts, and stand in kernel command lines.
public enum VMName {
    /// The rule in words, for errors.
    public static let rule = "a name has 1 to 63 of a-z, 0-9, '.' and '-', and starts with a letter or digit"

    /// Whether a name matches `[a-z0-9][a-z0-9.-]{0,62}`.
    public static func isValid(_ name: String) -> Bool {
        guard (1...63).contains(name.utf8.count), let first = name.utf8.first, isAlphanumeric(first) else {
            return false
        }
        return name.utf8.allSatisfy {
            isAlphanumeric($0) || $0 == UInt8(ascii: ".") || $0 == UInt8(ascii: "-")
        }
    }

    private static func isAlphanumeric(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte)
            || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
    }
}

/// The rule for hostnames: labels as RFC 1123 (section 2.1) has them, and no longer than Linux keeps (64 bytes).
enum Hostname {
    static let rule =
        "a hostname has up to 64 letters, digits, '-' and '.', no label of it empty or with '-' at an end"

    static func isValid(_ name: String) -> Bool {
        guard (1...64).contains(name.utf8.count) else { return false }
        return name.split(separator: ".", omittingEmptySubsequences: false).allSatisfy { label in
            !label.isEmpty && label.first != "-" && label.last != "-"
                && label.unicodeScalars.allSatisfy {
                    $0.isASCII
                        && ($0.properties.isAlphabetic || $0.properties.numericType != nil || $0 == "-")
                }
        }
    }
}
