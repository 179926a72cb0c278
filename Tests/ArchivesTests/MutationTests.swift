import Archives
import TestSupport
import Testing

/// Archives changed at random, the same way in every run: whatever they became, reading them ends, with an error or
/// without, and keeps no more than its limits allow.
@Suite("Mutated archives")
struct MutationTests {
    @Test("never trap, hang or grow", arguments: 0..<8 as Range<UInt64>)
    func mutations(seed: UInt64) {
        let original = TarCorpus.everything()
        // Where headers, records and maps are; content in between is not interesting.
        let headers = stride(from: 0, to: original.count, by: 512).filter { original[$0] != 0 }
        var random = SeededRandom(seed)
        var outcomes: Set<String> = []
        for _ in 0..<500 {
            var bytes = original
            for _ in 0..<Int.random(in: 1...4, using: &random) { mutate(&bytes, headers, &random) }
            do {
                let source = MemorySource(bytes, chunk: Int.random(in: 1...20_000, using: &random))
                let reader = TarReader(source, name: "x", bufferSize: 4096)
                while let entry = try reader.next() {
                    var size: UInt64 = 0
                    while let piece = try reader.nextPiece() {
                        switch piece {
                        case .data(let data): size += UInt64(data.count)
                        case .hole(let count): size += count
                        }
                    }
                    #expect(size == entry.size)
                }
                try reader.drain()
                outcomes.insert("read")
            } catch { outcomes.insert(error.code.rawValue) }
        }
        // The loop is worth something only if it gets past the checksums.
        #expect(outcomes.count >= 4, "\(outcomes)")
    }

    private func mutate(_ bytes: inout [UInt8], _ headers: [Int], _ random: inout SeededRandom) {
        let block = headers.randomElement(using: &random) ?? 0
        guard block + 512 <= bytes.count else { return }
        switch Int.random(in: 0..<6, using: &random) {
        case 0: bytes.removeSubrange(block..<block + 512)
        case 1: bytes.removeLast(Int.random(in: 0..<bytes.count, using: &random))
        case 2: bytes.insert(contentsOf: bytes[block..<block + 512], at: block)
        default:
            let fields = [0, 100, 108, 124, 136, 148, 156, 157, 257, 329, 345, 386, 482, 483]
            let interesting: [UInt8] = [0, 0x20, 0x2D, 0x30, 0x37, 0x39, 0x53, 0x78, 0x80, 0xFF]
            let start = block + (fields.randomElement(using: &random) ?? 0)
            for offset in start..<min(block + 512, start + Int.random(in: 1...8, using: &random)) {
                bytes[offset] =
                    Bool.random(using: &random)
                    ? interesting.randomElement(using: &random) ?? 0
                    : UInt8.random(in: 0...255, using: &random)
            }
            // Usually made right again, so that what lies behind the checksum is tried.
            if Int.random(in: 0..<8, using: &random) > 0 {
                bytes.replaceSubrange(
                    block..<block + 512,
                    with: TarCorpus.withChecksum(Array(bytes[block..<block + 512]))
                )
            }
        }
    }
}
