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
    private static let leastSaving = 32

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
            guard part.kind == .regular, !part.isHole, part.size > UInt64(part.inlineLimit), part.length > 0
            else {
                continue
            }
            let start = batch.clusters.count
            let input = batch.bytes(of: part)
            let output = UnsafeMutableRawBufferPointer(rebasing: batch.output[end...])
            let blocks = compress(input, with: lz4, into: output, &batch.clusters)
            if let blocks, pays(blocks, part) {
                batch.parts[index].clusters = start..<batch.clusters.count
                batch.parts[index].outputOffset = end
                end += blocks * Format.blockSize
            } else {
                batch.clusters.removeSubrange(start...)
            }
        }
    }

    private func pays(_ blocks: Int, _ part: Part) -> Bool {
        let length = Int(part.length)
        let plainBlocks = (length + Format.blockSize - 1) / Format.blockSize
        guard blocks + blocks / Self.leastSaving < plainBlocks else { return false }
        guard part.isFirst && part.isLast else { return true }
        // A whole file: stored as it is, its tail may stand beside the inode, and it has no index.
        let tail = length % Format.blockSize
        let plain = tail <= part.inlineLimit ? length : plainBlocks * Format.blockSize
        let index = Format.mapHeaderSize + plainBlocks * Format.indexEntrySize
        let compressed = blocks * Format.blockSize + index
        return compressed + compressed / Self.leastSaving < plain
    }

    /// Fills `output` with blocks and `clusters` with what they hold; nil when nothing was gained.
    private func compress(
        _ input: UnsafeRawBufferPointer,
        with lz4: LZ4,
        into output: UnsafeMutableRawBufferPointer,
        _ clusters: inout [Cluster]
    ) -> Int? {
        guard let source = input.baseAddress, let target = output.baseAddress else { return nil }
        let limit = (input.count - 1) / Format.blockSize
        var position = 0
        var blocks = 0
        var gained = false
        // How much to skip when a cluster did not pay: more each time, so that data which does not shrink costs little.
        var stride = clusterSize
        while position < input.count {
            let rest = UnsafeRawBufferPointer(rebasing: input[position...])
            let (consumed, produced) = lz4.fill(scratch, from: rest)
            let count = (produced + Format.blockSize - 1) / Format.blockSize
            let plainCount = (consumed + Format.blockSize - 1) / Format.blockSize
            let isEnd = consumed == rest.count
            let pays =
                count > 0 && count < plainCount
                && (isEnd
                    || consumed - count * Format.blockSize >= count * Format.blockSize / Self.leastSaving)
            if pays {
                guard blocks + count <= limit else { return nil }
                let size = count * Format.blockSize
                let start = target + blocks * Format.blockSize
                memset(start, 0, size - produced)
                memcpy(start + size - produced, scratch.baseAddress.unsafelyUnwrapped, produced)
                clusters.append(Cluster(length: UInt32(consumed), blocks: UInt16(count), isPlain: false))
                blocks += count
                position += consumed
                stride = clusterSize
                gained = true
            } else {
                let stop = min(position + stride, input.count)
                while position < stop {
                    guard blocks < limit else { return nil }
                    let length = min(Format.blockSize, input.count - position)
                    let start = target + blocks * Format.blockSize
                    memcpy(start, source + position, length)
                    memset(start + length, 0, Format.blockSize - length)
                    clusters.append(Cluster(length: UInt32(length), blocks: 1, isPlain: true))
                    blocks += 1
                    position += length
                }
                stride = min(stride * 2, 256 << 10)
            }
        }
        return gained ? blocks : nil
    }
}
