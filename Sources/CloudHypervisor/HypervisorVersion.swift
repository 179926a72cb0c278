/// A release of Cloud Hypervisor: `51`, `v50.1`.
public struct HypervisorVersion: Hashable, Sendable, Comparable, LosslessStringConvertible {
    /// The number before the dot.
    public let major: Int
    /// The number after the dot.
    public let minor: Int

    /// Creates a version.
    public init(_ major: Int, _ minor: Int = 0) {
        self.major = major
        self.minor = minor
    }

    /// Parses `51`, `51.0` or `v51.0`; nil for anything else.
    public init?(_ description: String) {
        let numbers = description.drop { $0 == "v" }.split(separator: ".", omittingEmptySubsequences: false)
        let isWellFormed = numbers.allSatisfy { part in
            (1...4).contains(part.count) && part.utf8.allSatisfy { (48...57).contains($0) }
        }
        guard (1...2).contains(numbers.count), isWellFormed, !description.hasPrefix("vv"),
            let major = Int(numbers[0]), let minor = numbers.count == 2 ? Int(numbers[1]) : 0
        else { return nil }
        self.init(major, minor)
    }

    /// The oldest release that configs are written for.
    public static let oldestSupported = HypervisorVersion(51)

    /// `51.0`.
    public var description: String { "\(major).\(minor)" }

    /// Orders by major, then minor number.
    public static func < (left: HypervisorVersion, right: HypervisorVersion) -> Bool {
        (left.major, left.minor) < (right.major, right.minor)
    }
}
