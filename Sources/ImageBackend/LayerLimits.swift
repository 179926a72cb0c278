import Archives

/// Bounds on what one layer may hold.
public struct LayerLimits: Sendable, Hashable {
    /// Entries in one layer.
    public var entries: Int
    /// Bytes of one uncompressed layer, and of its files with the holes of sparse ones; nil for no bound.
    public var unpackedBytes: UInt64?

    /// Creates limits; the defaults are far above any image seen.
    public init(entries: Int = 20_000_000, unpackedBytes: UInt64? = nil) {
        self.entries = entries
        self.unpackedBytes = unpackedBytes
    }

    /// What a compressed layer may come to.
    var decompression: DecompressionLimits { DecompressionLimits(outputBytes: unpackedBytes) }
}
