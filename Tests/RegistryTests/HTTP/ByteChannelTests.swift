import Host
import Synchronization
import Testing

@testable import Registry

@Suite("The channel between network and reader")
struct ByteChannelTests {
    private func put(
        _ bytes: [UInt8],
        _ channel: ByteChannel,
        _ whenFree: @escaping @Sendable () -> Void = {}
    )
        -> Reception
    {
        bytes.withUnsafeBytes { channel.put($0, whenFree: whenFree) }
    }

    private func take(_ count: Int, _ channel: ByteChannel) -> [UInt8]? {
        var buffer = [UInt8](repeating: 0, count: count)
        guard case .bytes(let taken) = buffer.withUnsafeMutableBytes({ channel.take(into: $0) }) else {
            return nil
        }
        return Array(buffer.prefix(taken))
    }

    private final class Calls: Sendable {
        let count = Mutex(0)
    }

    @Test("hands bytes over in order, also around its end")
    func order() {
        let channel = ByteChannel(capacity: 64 << 10)
        var next: UInt64 = 0
        var expected: UInt64 = 0
        for round in 0..<200 {
            let piece = (0..<(round * 37 % 16_000)).map { _ in
                next += 1
                return UInt8(truncatingIfNeeded: next &* 2_654_435_761 >> 7)
            }
            guard !piece.isEmpty else { continue }
            #expect(put(piece, channel) == .taken)
            while let bytes = channel.received > expected ? take(5_000, channel) : nil {
                for byte in bytes {
                    expected += 1
                    #expect(byte == UInt8(truncatingIfNeeded: expected &* 2_654_435_761 >> 7))
                }
            }
        }
        #expect(next == expected)
    }

    @Test("takes no more than fits, and calls once half is free")
    func bound() {
        let channel = ByteChannel(capacity: 64 << 10)
        let calls = Calls()
        #expect(put(Array(repeating: 1, count: 60 << 10), channel) == .taken)
        #expect(
            put(Array(repeating: 2, count: 8 << 10), channel) { calls.count.withLock { $0 += 1 } } == .full
        )
        #expect(channel.received == 60 << 10)
        _ = take(20 << 10, channel)
        #expect(calls.count.withLock { $0 } == 0)
        _ = take(20 << 10, channel)
        #expect(calls.count.withLock { $0 } == 1)
        #expect(put(Array(repeating: 2, count: 8 << 10), channel) == .taken)
    }

    @Test("gives out what came before an error, then the error")
    func failure() {
        let channel = ByteChannel(capacity: 1)
        #expect(put([1, 2, 3], channel) == .taken)
        channel.finish(RegistryError(.stalled, "nothing came"))
        #expect(take(2, channel) == [1, 2])
        #expect(take(2, channel) == [3])
        var buffer: [UInt8] = [0]
        let turn = buffer.withUnsafeMutableBytes { channel.take(into: $0) }
        guard case .failed(let error) = turn else {
            Issue.record("it gave \(turn)")
            return
        }
        #expect(error.code == .stalled)
    }

    @Test("takes nothing once its reader has gone")
    func abandoned() {
        let channel = ByteChannel(capacity: 1)
        channel.stop()
        #expect(put([1], channel) == .refused)
    }
}
