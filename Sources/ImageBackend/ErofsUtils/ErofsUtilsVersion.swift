/// A release of erofs-utils.
public struct ErofsUtilsVersion: Sendable, Hashable, Comparable, CustomStringConvertible {
    /// `1.8.10` is 1, 8, 10; a part that is not written is 0.
    let parts: [Int]

    init(_ parts: Int...) { self.parts = parts + Array(repeating: 0, count: 3 - parts.count) }

    /// Finds the version in what a program prints for `-V`: `mkfs.erofs 1.5`, `fsck.erofs (erofs-utils) 1.9.3`.
    init?(printed text: String) {
        guard let match = text.firstMatch(of: /erofs[^\n]*? ([0-9]+)\.([0-9]+)(?:\.([0-9]+))?/),
            let major = Int(match.1), let minor = Int(match.2)
        else { return nil }
        self.init(major, minor, match.3.flatMap { Int($0) } ?? 0)
    }

    /// `1.8.10`, or `1.5` for a release without a third number.
    public var description: String {
        (parts[2] == 0 ? parts.dropLast() : parts[...]).map(String.init).joined(separator: ".")
    }

    /// Orders by the first number that differs.
    public static func < (left: ErofsUtilsVersion, right: ErofsUtilsVersion) -> Bool {
        left.parts.lexicographicallyPrecedes(right.parts)
    }
}
