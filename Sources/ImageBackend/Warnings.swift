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
