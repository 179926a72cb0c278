/// Finds an entry by its folder and name: open addressing with linear probing over 64-bit slots, each the high half
/// of a hash and an entry's index plus one. Entries are never taken out; the tree marks those that are gone.
///
/// The hash is seeded anew in each process, so no layer can be made whose names all collide.
struct NameTable: ~Copyable {
    private var slots = GrowingBuffer<UInt64>(repeating: 0, count: 1024)
    private var used = 0

    static func hash(_ name: UnsafeRawBufferPointer, in folder: UInt32) -> UInt32 {
        var hasher = Hasher()
        hasher.combine(folder)
        hasher.combine(bytes: name)
        return UInt32(truncatingIfNeeded: hasher.finalize())
    }

    /// The first entry with this hash for which `matches` is true.
    func find(_ hash: UInt32, _ matches: (UInt32) -> Bool) -> UInt32? {
        let mask = slots.count - 1
        var position = Int(hash) & mask
        while slots[position] != 0 {
            let slot = slots[position]
            if UInt32(truncatingIfNeeded: slot >> 32) == hash {
                let entry = UInt32(truncatingIfNeeded: slot) - 1
                if matches(entry) { return entry }
            }
            position = (position + 1) & mask
        }
        return nil
    }

    /// Adds an entry that is not in the table.
    mutating func insert(_ hash: UInt32, _ entry: UInt32) {
        if (used + 1) * 4 > slots.count * 3 { grow() }
        used += 1
        Self.put(UInt64(hash) << 32 | UInt64(entry + 1), into: &slots)
    }

    private mutating func grow() {
        var larger = GrowingBuffer<UInt64>(repeating: 0, count: slots.count * 2)
        for slot in slots.elements where slot != 0 { Self.put(slot, into: &larger) }
        slots = larger
    }

    private static func put(_ slot: UInt64, into slots: inout GrowingBuffer<UInt64>) {
        let mask = slots.count - 1
        var position = Int(slot >> 32) & mask
        while slots[position] != 0 { position = (position + 1) & mask }
        slots[position] = slot
    }
}
