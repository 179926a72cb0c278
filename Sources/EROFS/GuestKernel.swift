/// A Linux release as far as the format's features go: `6.1`.
public struct GuestKernel: Hashable, Sendable {
    /// The first number.
    public var major: Int
    /// The second number.
    public var minor: Int

    /// Creates a release.
    public init(_ major: Int, _ minor: Int) {
        self.major = major
        self.minor = minor
    }

    /// The oldest release that mounts what ``ImageWriter`` writes.
    public static let oldest = GuestKernel(5, 4)
}

extension GuestKernel: Comparable, LosslessStringConvertible {
    /// Parses `MAJOR.MINOR`; nil for anything else.
    public init?(_ description: String) {
        let parts = description.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 2, let major = Self.number(parts[0]), let minor = Self.number(parts[1]) else {
            return nil
        }
        self.init(major, minor)
    }

    /// `6.1`
    public var description: String { "\(major).\(minor)" }

    /// Whether a release came before another.
    public static func < (left: GuestKernel, right: GuestKernel) -> Bool {
        (left.major, left.minor) < (right.major, right.minor)
    }

    private static func number(_ text: Substring) -> Int? {
        guard (1...4).contains(text.utf8.count), text.utf8.allSatisfy({ (48...57).contains($0) }) else {
            return nil
        }
        return Int(text)
    }
}

/// What of the format came after Linux 5.4, and when (the kernel's `fs/erofs/erofs_fs.h` and its history).
extension GuestKernel {
    /// Physical clusters larger than a block.
    static let bigClusters = GuestKernel(5, 13)
    /// Files in chunks, and so with holes.
    public static let chunks = GuestKernel(5, 15)
    /// The end of a compressed file beside its index.
    static let tailPacking = GuestKernel(5, 17)
    /// Small files packed together.
    public static let fragments = GuestKernel(6, 1)
}

extension Superblock {
    /// The lowest Linux release that knows the image's features.
    public var minimumKernel: GuestKernel {
        let needs: [(feature: UInt32, release: GuestKernel)] = [
            (Format.IncompatibleFeature.fragments, .fragments),
            (Format.IncompatibleFeature.tailPacking, .tailPacking),
            (Format.IncompatibleFeature.chunkedFile, .chunks),
            (Format.IncompatibleFeature.bigCluster, .bigClusters),
        ]
        return needs.first { incompatibleFeatures & $0.feature != 0 }?.release ?? .oldest
    }
}
