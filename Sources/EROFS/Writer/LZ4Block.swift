import Glibc

/// LZ4's block format (lz4_Block_format.md): sequences, each a token, literals, and a match that goes back some bytes.
/// The last one has literals only.
enum LZ4Block {
    /// The literals that end a block always hold its last 5 bytes, and its last match begins 12 before the end.
    private static let leastLastLiterals = 12

    /// Rewrites the beginning of a block as a block of its own of at most `size` bytes: as many sequences as fit, and
    /// behind them literals up to the last byte.
    ///
    /// - Parameters:
    ///   - block: the block, as LZ4 made it from `input`; larger than `size`.
    ///   - input: what it expands to.
    /// - Returns: how much of `input` the shorter block holds, and its bytes; zeros where `size` is too small for any.
    static func cut(
        _ block: UnsafeMutableRawBufferPointer,
        to size: Int,
        input: UnsafeRawBufferPointer
    ) -> (consumed: Int, produced: Int) {
        var end: (packed: Int, plain: Int)?
        var next = (packed: 0, plain: 0)
        while next.packed + 1 + leastLastLiterals <= size {
            end = next
            guard let following = sequenceEnd(UnsafeRawBufferPointer(block), next) else { break }
            next = following
        }
        guard let end, let target = block.baseAddress, let source = input.baseAddress else { return (0, 0) }
        let room = size - end.packed - 1
        var count = min(room, input.count - end.plain)
        while count + lengthBytes(count) > room { count -= 1 }
        var position = end.packed
        target.storeBytes(of: UInt8(min(count, 15)) << 4, toByteOffset: position, as: UInt8.self)
        position += 1
        var rest = count - 15
        while rest >= 0 {
            target.storeBytes(of: UInt8(min(rest, 255)), toByteOffset: position, as: UInt8.self)
            position += 1
            rest -= 255
        }
        memcpy(target + position, source + end.plain, count)
        return (end.plain + count, position + count)
    }

    /// Where a sequence that begins at a place in the block and in what it expands to ends in both; nil for the last.
    private static func sequenceEnd(
        _ block: UnsafeRawBufferPointer,
        _ start: (packed: Int, plain: Int)
    ) -> (packed: Int, plain: Int)? {
        let token = Int(block[start.packed])
        var position = start.packed + 1
        let literals = length(token >> 4, block, &position)
        position += literals
        guard position < block.count else { return nil }
        position += 2
        let match = length(token & 15, block, &position) + 4
        return (position, start.plain + literals + match)
    }

    /// A length whose first part is in the token, 15 of it going on in bytes that follow.
    private static func length(_ first: Int, _ block: UnsafeRawBufferPointer, _ position: inout Int) -> Int {
        guard first == 15 else { return first }
        var length = first
        while true {
            let byte = Int(block[position])
            position += 1
            length += byte
            if byte != 255 { return length }
        }
    }

    /// The bytes behind the token that a count of literals takes.
    private static func lengthBytes(_ count: Int) -> Int { count < 15 ? 0 : (count - 15) / 255 + 1 }
}
