/// The Linux of this host, as `uname -r` writes it.
struct KernelVersion: Sendable, Hashable, Comparable, LosslessStringConvertible {
    /// `6` of `6.1`.
    var major: Int
    /// `1` of `6.1`.
    var minor: Int

    /// Creates a version.
    init(major: Int, minor: Int) {
        self.major = major
        self.minor = minor
    }

    /// Parses `MAJOR.MINOR`; what follows the minor number, as in `6.1.0-13-amd64`, is ignored.
    init?(_ description: String) {
        let parts = description.split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2, let major = Int(parts[0]),
            let minor = Int(parts[1].prefix { $0.isWholeNumber }),
            major >= 0
        else { return nil }
        self.init(major: major, minor: minor)
    }

    /// `6.1`
    var description: String { "\(major).\(minor)" }

    /// Orders by major, then minor number.
    static func < (left: KernelVersion, right: KernelVersion) -> Bool {
        (left.major, left.minor) < (right.major, right.minor)
    }
}
