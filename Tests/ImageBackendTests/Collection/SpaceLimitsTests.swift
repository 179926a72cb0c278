import Host
import Testing

@testable import ImageBackend

@Suite("Space limits")
struct SpaceLimitsTests {
    private func fileSystem(total: UInt64 = 1000, used: UInt64, available: UInt64) -> FileSystemStatus {
        FileSystemStatus(
            type: 0,
            totalBytes: total,
            usedBytes: used,
            availableBytes: available,
            freeInodes: nil
        )
    }

    @Test(
        "beyond the high water mark everything above the low one is too much, up to it nothing is",
        arguments: [(850, 150, 0), (851, 149, 51), (1000, 0, 200), (0, 1000, 0)] as [(UInt64, UInt64, UInt64)]
    )
    func waterMarks(used: UInt64, available: UInt64, expected: UInt64) {
        let limits = SpaceLimits(highWater: 85, lowWater: 80)
        #expect(
            limits.excess(on: fileSystem(used: used, available: available), storeBytes: 1 << 40) == expected
        )
    }

    @Test("what is kept for root counts neither as used nor as available, as df has it")
    func reserved() {
        let limits = SpaceLimits(highWater: 50, lowWater: 40)
        #expect(limits.excess(on: fileSystem(used: 400, available: 500), storeBytes: 0) == 0)
        #expect(limits.excess(on: fileSystem(used: 400, available: 300), storeBytes: 0) == 120)
    }

    @Test("what the store has beyond maxBytes is too much; of both rules the stricter one holds")
    func maxBytes() {
        let limits = SpaceLimits(highWater: 85, lowWater: 80, maxBytes: 100)
        let roomy = fileSystem(used: 500, available: 500), full = fileSystem(used: 900, available: 100)
        #expect(limits.excess(on: roomy, storeBytes: 100) == 0)
        #expect(limits.excess(on: roomy, storeBytes: 130) == 30)
        #expect(limits.excess(on: full, storeBytes: 130) == 100)
        #expect(limits.excess(on: full, storeBytes: 300) == 200)
    }

    @Test("without limits space is never short, and sums near 2^64 do not trap")
    func extremes() {
        let full = fileSystem(used: 1000, available: 0)
        #expect(SpaceLimits.none.excess(on: full, storeBytes: .max) == 0)
        let huge = fileSystem(total: .max, used: .max - 1, available: 1)
        #expect(
            SpaceLimits(highWater: 1, lowWater: 1, maxBytes: 0).excess(on: huge, storeBytes: .max) == .max
        )
    }
}
