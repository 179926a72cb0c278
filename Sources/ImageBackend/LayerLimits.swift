import Archives

/// Bounds on what one layer may hold. The defaults are beyond every honest image: what reaches them is made to fill a disk,
/// or the memory of whoever reads it.
public struct LayerLimits: Sendable, Hashable {
    /// Entries in one layer.
    public var entries: Int
    /// Bytes of one uncompressed layer, and of its files with the holes of sparse ones; nil for no bound.
    public var unpackedBytes: UInt64?
    /// How many bytes a compressed layer may unpack to for each of its own, once 64 MiB have come out. Zeros shrink 1,032
    /// times with gzip and 32,768 times with zstd.
    public var expansion: UInt64
    /// Bytes of a path or of a link's target. Linux takes 4,096 at once.
    public var pathBytes: Int
    /// Folders within folders.
    public var pathDepth: Int

    /// Creates limits.
    public init(
        entries: Int = 20_000_000,
        unpackedBytes: UInt64? = 256 << 30,
        expansion: UInt64 = 65_536,
        pathBytes: Int = 64 << 10,
        pathDepth: Int = 4096
    ) {
        self.entries = entries
        self.unpackedBytes = unpackedBytes
        self.expansion = expansion
        self.pathBytes = pathBytes
        self.pathDepth = pathDepth
    }

    /// What a compressed layer may come to.
    var decompression: DecompressionLimits {
        DecompressionLimits(
            outputBytes: unpackedBytes,
            expansionRatio: expansion,
            outputSetting: "store.limits.layerBytes",
            expansionSetting: "store.limits.expansion"
        )
    }

    /// What a layer's tar may ask for.
    var tar: TarLimits {
        var limits = TarLimits.default
        limits.nameBytes = pathBytes
        return limits
    }
}
