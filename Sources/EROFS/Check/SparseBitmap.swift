/// Bits that are all clear at first, for a space far larger than what is set in it: memory is taken for stretches of 64
/// that have a bit set, and of those that have all set only for every 64th.
struct SparseBitmap {
    /// The bits of stretches that have some set.
    private var some: [UInt64: UInt64] = [:]
    /// A bit for each stretch that has all set.
    private var all: [UInt64: UInt64] = [:]

    /// Sets a bit; false when it was set.
    mutating func insert(_ bit: UInt64) -> Bool { insert(bit..<bit + 1) }

    /// Sets bits, in order up to the first that is set already; false when there is one.
    mutating func insert(_ bits: Range<UInt64>) -> Bool {
        var position = bits.lowerBound
        while position < bits.upperBound {
            let stretch = position / 64
            let end = min(bits.upperBound, (stretch + 1) * 64)
            let old = some[stretch]
            guard all[stretch / 64, default: 0] & 1 << (stretch % 64) == 0 else { return false }
            if end - position == 64 {
                guard old == nil else { return false }
                all[stretch / 64, default: 0] |= 1 << (stretch % 64)
            } else {
                let mask = ((UInt64(1) << (end - position)) - 1) << (position % 64)
                guard (old ?? 0) & mask == 0 else { return false }
                some[stretch] = (old ?? 0) | mask
            }
            position = end
        }
        return true
    }

    /// Whether a bit is set.
    func contains(_ bit: UInt64) -> Bool {
        let stretch = bit / 64
        return some[stretch, default: 0] & 1 << (bit % 64) != 0
            || all[stretch / 64, default: 0] & 1 << (stretch % 64) != 0
    }
}
