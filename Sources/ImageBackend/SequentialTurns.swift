/// Lets the layers of a compressed archive be read one at a time, in the order in which they lie in it; the archive is
/// then decompressed once for all of them.
actor SequentialTurns {
    /// The positions in the image, in the order of their turns.
    private let order: [Int]
    private let ranks: [Int: Int]
    private var hasLeft: Set<Int> = []
    private var turn = 0
    private var waiting: [Int: CheckedContinuation<Void, Never>] = [:]

    /// - Parameter sequence: where each layer lies; nil for one that may be read at any time.
    init(_ sequence: [UInt64?]) {
        order = sequence.indices.filter { sequence[$0] != nil }.sorted {
            (sequence[$0] ?? 0, $0) < (sequence[$1] ?? 0, $1)
        }
        ranks = Dictionary(uniqueKeysWithValues: order.enumerated().map { ($1, $0) })
    }

    /// Waits for a layer's turn. Whoever waits gets it, cancelled or not: those before it leave in any case.
    func enter(_ position: Int) async {
        guard let rank = ranks[position], rank > turn else { return }
        await withCheckedContinuation { waiting[rank] = $0 }
    }

    /// A layer needs no turn any more: it was read, was found elsewhere, or failed.
    func leave(_ position: Int) {
        guard let rank = ranks[position] else { return }
        hasLeft.insert(rank)
        while hasLeft.contains(turn) { turn += 1 }
        waiting.removeValue(forKey: turn)?.resume()
    }
}
