/// What a layer had to leave out, counted by kind so that a hostile archive cannot fill a receipt.
struct Warnings: Sendable {
    private var counts: [String: (count: Int, first: [UInt8])] = [:]

    /// Notes one case of a kind.
    mutating func add(_ kind: String, _ path: [UInt8]) {
        // A hundred different kinds say enough.
        if counts[kind] == nil, counts.count >= 100 { return }
        counts[kind, default: (0, path)].count += 1
    }

    /// One line a kind, sorted.
    var lines: [String] {
        counts.map { kind, seen in
            let path = String(printable: seen.first)
            return seen.count == 1 ? "\(kind): \(path)" : "\(kind): \(path) and \(seen.count - 1) more"
        }.sorted()
    }
}

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
}
