import Glibc

/// Compresses the segments of a batch: fills clusters of a fixed size with as much input as they take, as
/// mkfs.erofs does, and leaves alone what does not shrink.
final class BatchCompressor {
    private let lz4: LZ4?
    private let clusterSize: Int
    /// One cluster before it is moved to the end of its blocks.
    private let scratch: UnsafeMutableRawBufferPointer

    /// A segment of which less than one block in this many would be saved is stored as it is: reading it costs
    /// nothing then.
    private static let leastSaving = 128
    /// A last cluster that needs no more than this of its last block is split, to have that end beside the index: the
    /// rest of a block is too little for a cluster more.
    private static let largestSplit = 3072
    /// Smaller files are stored as they are where files are not packed: compressed, they would save no slot or two.
    private static let leastSize: UInt64 = 256

    init(_ compression: Compression) {
        lz4 = LZ4(compression)
        clusterSize = compression.clusterSize ?? 0
        scratch = .allocate(byteCount: max(clusterSize, 1), alignment: 64)
    }

    deinit { scratch.deallocate() }

    func compress(_ batch: Batch) {
        guard let lz4 else { return }
        var end = 0
        for index in batch.parts.indices {
            let part = batch.parts[index]
            guard Self.mayShrink(part) else { continue }
            let start = batch.clusters.count
            let output = UnsafeMutableRawBufferPointer(rebasing: batch.output[end...])
            var segment = Segment(batch.bytes(of: part), output)
            compress(&segment, part, with: lz4, &batch.clusters)
            if segment.isSmaller, pays(segment, part) {
                batch.parts[index].clusters = start..<batch.clusters.count
                batch.parts[index].tail = segment.tail
                batch.parts[index].outputOffset = end
                end += segment.blocks * Format.blockSize + (segment.tail?.size ?? 0)
            } else {
                batch.clusters.removeSubrange(start...)
            }
        }
    }

    private static func mayShrink(_ part: Part) -> Bool {
        guard part.kind == .regular, part.mayShrink, !part.isHole, part.length > 0, part.taken == nil else {
            return false
        }
        return part.size > UInt64(part.inlineLimit) || (part.tailRoom > 0 && part.size >= leastSize)
    }

    private func pays(_ segment: Segment, _ part: Part) -> Bool {
        let length = Int(part.length)
        let plainBlocks = (length + Format.blockSize - 1) / Format.blockSize
        let stored = segment.blocks * Format.blockSize + (segment.tail?.size ?? 0)
        // A file's blocks may be no fewer where only its tail shrank.
        guard stored + stored / Self.leastSaving < plainBlocks * Format.blockSize else { return false }
        guard part.isFirst && part.isLast, !part.isPacked else { return true }
        // A whole file: stored as it is, its tail may stand beside the inode, and it has no index.
        let tail = length % Format.blockSize
        let plain = tail <= part.inlineLimit ? length : plainBlocks * Format.blockSize
        let index = CompactLayout(start: MapHeader.size, count: UInt64(plainBlocks)).size
        let compressed = stored + MapHeader.size + Int(index)
        return compressed + compressed / Self.leastSaving < plain
    }

    /// A segment on its way into clusters.
    private struct Segment {
        let input: UnsafeRawBufferPointer
        let output: UnsafeMutableRawBufferPointer
        /// How much of the input was taken.
        var position = 0
        /// The blocks of output that were filled.
        var blocks = 0
        var tail: Tail?
        /// Whether some cluster shrank, and all of them together take fewer blocks than the input.
        var isSmaller = false

        init(_ input: UnsafeRawBufferPointer, _ output: UnsafeMutableRawBufferPointer) {
            self.input = input
            self.output = output
        }

        /// The most blocks that are fewer than the input's.
        var limit: Int { (input.count - 1) / Format.blockSize }
        var rest: UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: input[position...]) }
        /// The output behind the blocks.
        var end: UnsafeMutableRawBufferPointer {
            UnsafeMutableRawBufferPointer(rebasing: output[(blocks * Format.blockSize)...])
        }
    }

    /// Fills the output with blocks and `clusters` with what they hold.
    private func compress(
        _ segment: inout Segment,
        _ part: Part,
        with lz4: LZ4,
        _ clusters: inout [Cluster]
    ) {
        var gained = false
        let tailRoom = part.isLast ? min(part.tailRoom, Format.blockSize - 1) : 0
        // How much to skip when a cluster did not pay: more each time, so that data which does not shrink costs little.
        var stride = clusterSize
        while segment.position < segment.input.count {
            let rest = segment.rest
            var (consumed, produced) = lz4.fill(scratch, from: rest)
            if consumed == rest.count, tailRoom > 0 {
                if takeTail(&segment, produced, tailRoom) {
                    gained = true
                    break
                }
                if let shorter = shorten(rest, produced) { (consumed, produced) = shorter }
            }
            let count = (produced + Format.blockSize - 1) / Format.blockSize
            if pays(consumed, blocks: count, isEnd: consumed == rest.count) {
                guard segment.blocks + count <= segment.limit else { return }
                let size = count * Format.blockSize
                let start = segment.end.baseAddress.unsafelyUnwrapped
                memset(start, 0, size - produced)
                memcpy(start + size - produced, scratch.baseAddress.unsafelyUnwrapped, produced)
                clusters.append(Cluster(length: UInt32(consumed), blocks: UInt16(count), isPlain: false))
                segment.blocks += count
                segment.position += consumed
                stride = clusterSize
                gained = true
            } else if rest.count <= tailRoom {
                segment.end.copyMemory(from: rest)
                segment.tail = Tail(length: rest.count, size: rest.count, isPlain: true)
                break
            } else {
                guard storePlain(&segment, stride, &clusters) else { return }
                stride = min(stride * 2, 64 << 10)
            }
        }
        segment.isSmaller = gained
    }

    private func pays(_ consumed: Int, blocks: Int, isEnd: Bool) -> Bool {
        guard blocks > 0, blocks < (consumed + Format.blockSize - 1) / Format.blockSize else { return false }
        let size = blocks * Format.blockSize
        return isEnd || consumed - size >= size / Self.leastSaving
    }

    /// Has a last cluster of less than a block, which is in `scratch`, follow the index.
    private func takeTail(_ segment: inout Segment, _ produced: Int, _ room: Int) -> Bool {
        let length = segment.rest.count
        guard produced > 0, produced <= room, produced < length else { return false }
        segment.end.copyMemory(from: UnsafeRawBufferPointer(rebasing: scratch[..<produced]))
        segment.tail = Tail(length: length, size: produced, isPlain: false)
        return true
    }

    /// Cuts the last cluster, which is in `scratch` and reaches a little into its last block, at the end of the block
    /// before that, so that what follows may stand beside the index. nil where it stays as it is.
    private func shorten(_ rest: UnsafeRawBufferPointer, _ produced: Int) -> (Int, Int)? {
        let full = produced / Format.blockSize * Format.blockSize
        guard full > 0, (1...Self.largestSplit).contains(produced - full) else { return nil }
        return LZ4Block.cut(
            UnsafeMutableRawBufferPointer(rebasing: scratch[..<produced]),
            to: full,
            input: rest
        )
    }

    /// Stores up to `count` bytes as they are, a cluster for each block; false when nothing can be gained any more.
    private func storePlain(_ segment: inout Segment, _ count: Int, _ clusters: inout [Cluster]) -> Bool {
        let stop = min(segment.position + count, segment.input.count)
        while segment.position < stop {
            guard segment.blocks < segment.limit else { return false }
            let length = min(Format.blockSize, segment.input.count - segment.position)
            let start = segment.end.baseAddress.unsafelyUnwrapped
            memcpy(start, segment.rest.baseAddress.unsafelyUnwrapped, length)
            memset(start + length, 0, Format.blockSize - length)
            clusters.append(Cluster(length: UInt32(length), blocks: 1, isPlain: true))
            segment.blocks += 1
            segment.position += length
        }
        return true
    }
}
