public import Host

/// When space is short, so that what nothing needs goes before its grace has ended.
public struct SpaceLimits: Sendable, Hashable {
    /// Percent of the file system in use, as df(1) counts it, beyond which space is short.
    public var highWater: Int
    /// Percent in use down to which is freed then.
    public var lowWater: Int
    /// The most bytes that blobs, boot files and merged disks may take; nil for no such limit.
    public var maxBytes: UInt64?

    /// Creates limits.
    public init(highWater: Int, lowWater: Int, maxBytes: UInt64? = nil) {
        self.highWater = highWater
        self.lowWater = lowWater
        self.maxBytes = maxBytes
    }

    /// Space is never short.
    public static let none = SpaceLimits(highWater: 100, lowWater: 100)

    /// Bytes that have to be freed before space is no longer short; 0 while it is not.
    ///
    /// - Parameter storeBytes: what blobs, boot files and merged disks take.
    public func excess(on fileSystem: FileSystemStatus, storeBytes: UInt64) -> UInt64 {
        let overLimit = maxBytes.map { storeBytes - min(storeBytes, $0) } ?? 0
        let capacity = fileSystem.usedBytes + fileSystem.availableBytes
        func share(_ percent: Int) -> UInt64 { capacity / 100 * UInt64(percent) }
        guard fileSystem.usedBytes > share(highWater) else { return overLimit }
        return max(overLimit, fileSystem.usedBytes - min(fileSystem.usedBytes, share(lowWater)))
    }
}
