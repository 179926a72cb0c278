import CLZ4
import Glibc

/// A cluster found in an index: which bytes of the file it makes, and from which bytes of the image.
struct LocatedCluster {
    var start: UInt64
    var end: UInt64
    var imageOffset: UInt64
    var imageSize: Int
    var isPlain: Bool
}

extension ImageReader {
    /// The most a cluster may expand to (`Z_EROFS_PCLUSTER_MAX_DSIZE`), and the most it may take (1 MiB).
    private static let maximumExpanded: UInt64 = 12 << 20
    private static let maximumBlocks: UInt64 = 256

    func readClusters(_ inode: Inode, _ offset: UInt64, _ target: UnsafeMutableRawBufferPointer)
        throws(EROFSError)
    {
        let index = try IndexReader(self, inode)
        var done = 0
        while done < target.count {
            let position = offset + UInt64(done)
            let cluster = try index.cluster(at: position)
            guard cluster.start <= position, position < cluster.end else {
                throw .corrupt("the index of inode \(inode.nid) has no cluster for byte \(position)")
            }
            let length = cluster.end - cluster.start
            guard length <= Self.maximumExpanded, UInt64(cluster.imageSize) <= Self.maximumBlocks * 4096
            else {
                throw .corrupt("a cluster of inode \(inode.nid) is larger than EROFS allows")
            }
            let raw = try read(cluster.imageOffset, cluster.imageSize)
            let within = Int(position - cluster.start)
            let count = Int(min(UInt64(target.count - done), cluster.end - position))
            let part = UnsafeMutableRawBufferPointer(rebasing: target[done..<done + count])
            if cluster.isPlain {
                guard within + count <= raw.count else {
                    throw .corrupt("a plain cluster of inode \(inode.nid) is longer than its block")
                }
                raw.withUnsafeBytes {
                    part.copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[within..<within + count]))
                }
            } else {
                let plain = try expand(raw, length: Int(length), inode)
                plain.withUnsafeBytes {
                    part.copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[within..<within + count]))
                }
            }
            done += count
        }
    }

    private func expand(_ raw: [UInt8], length: Int, _ inode: Inode) throws(EROFSError) -> [UInt8] {
        // Zeros before the compressed bytes fill the first block at most.
        let start = raw.prefix(Format.blockSize).firstIndex { $0 != 0 } ?? raw.count
        var plain = [UInt8](repeating: 0, count: length)
        let produced = raw.withUnsafeBytes { source in
            plain.withUnsafeMutableBytes { target in
                LZ4_decompress_safe(
                    source.bindMemory(to: CChar.self).baseAddress.map { $0 + start },
                    target.bindMemory(to: CChar.self).baseAddress,
                    Int32(raw.count - start),
                    Int32(length)
                )
            }
        }
        guard Int(produced) == length else {
            throw .corrupt("a cluster of inode \(inode.nid) does not decompress")
        }
        return plain
    }
}

/// Looks clusters up in the full index of one inode.
private struct IndexReader {
    private struct Entry {
        var type: UInt16
        var offset: UInt64
        var block: UInt32
        var back: UInt16 { UInt16(truncatingIfNeeded: block) }
        var forward: UInt16 { UInt16(truncatingIfNeeded: block >> 16) }
    }

    private let reader: ImageReader
    private let inode: Inode
    private let start: UInt64
    private let count: UInt64
    private let isBigCluster: Bool

    init(_ reader: ImageReader, _ inode: Inode) throws(EROFSError) {
        self.reader = reader
        self.inode = inode
        let header = align(inode.bodyOffset, to: 8)
        let bytes = try reader.read(header, 8)
        let advise = UInt16(bytes[4]) | UInt16(bytes[5]) << 8
        guard advise & ~Format.adviseBigCluster == 0, bytes[6] == 0, bytes[7] == 0 else {
            throw .unsupported("inode \(inode.nid) is compressed in a way that is not read here")
        }
        isBigCluster = advise & Format.adviseBigCluster != 0
        start = header + UInt64(Format.mapHeaderSize)
        count = ClusterIndex.entryCount(size: inode.size)
    }

    func cluster(at position: UInt64) throws(EROFSError) -> LocatedCluster {
        let blockSize = UInt64(Format.blockSize)
        var number = position / blockSize
        var entry = try self.entry(number)
        if entry.type != Format.ClusterType.continuation && position % blockSize < entry.offset {
            guard number > 0 else { throw corrupt("begins within its first block") }
            number -= 1
            entry = try self.entry(number)
        }
        if entry.type == Format.ClusterType.continuation {
            let isCount = entry.back & Format.blockCountFlag != 0
            let distance = isCount ? 1 : UInt64(entry.back)
            guard distance > 0, distance <= number else { throw corrupt("points before the file") }
            number -= distance
            entry = try self.entry(number)
            guard entry.type != Format.ClusterType.continuation else {
                throw corrupt("points to no cluster's head")
            }
        }
        let (end, blocks) = try extent(from: number)
        return LocatedCluster(
            start: number * blockSize + entry.offset,
            end: end,
            imageOffset: UInt64(entry.block) * blockSize,
            imageSize: blocks * Format.blockSize,
            isPlain: entry.type == Format.ClusterType.plain
        )
    }

    /// Where the cluster with this head ends in the file, and how many blocks it has.
    private func extent(from head: UInt64) throws(EROFSError) -> (UInt64, Int) {
        let blockSize = UInt64(Format.blockSize)
        var blocks = 1
        var next = head + 1
        // The bound on a cluster's expansion bounds the walk.
        while next < count, next - head <= (12 << 20) / blockSize + 1 {
            let entry = try self.entry(next)
            guard entry.type == Format.ClusterType.continuation else {
                return (min(next * blockSize + entry.offset, inode.size), blocks)
            }
            if next == head + 1 && isBigCluster {
                guard entry.back & Format.blockCountFlag != 0 else {
                    throw corrupt("does not tell a cluster's size")
                }
                blocks = Int(entry.back & ~Format.blockCountFlag)
            }
            guard entry.forward > 0 else { throw corrupt("does not tell where a cluster ends") }
            next += UInt64(entry.forward)
        }
        guard next >= count else { throw corrupt("has a cluster without an end") }
        return (inode.size, blocks)
    }

    private func entry(_ number: UInt64) throws(EROFSError) -> Entry {
        guard number < count else { throw corrupt("is too short") }
        let bytes = try reader.read(start + number * UInt64(Format.indexEntrySize), Format.indexEntrySize)
        let entry = bytes.withUnsafeBytes { bytes -> Entry? in
            guard let advise: UInt16 = bytes.integer(at: 0), let offset: UInt16 = bytes.integer(at: 2),
                let block: UInt32 = bytes.integer(at: 4)
            else { return nil }
            return Entry(type: advise, offset: UInt64(offset), block: block)
        }
        guard let entry, entry.type <= Format.ClusterType.continuation,
            entry.offset < UInt64(Format.blockSize)
        else {
            throw corrupt("has an entry of an unknown kind")
        }
        return entry
    }

    private func corrupt(_ what: String) -> EROFSError { .corrupt("the index of inode \(inode.nid) \(what)") }
}
