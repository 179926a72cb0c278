/// A cluster: a run of a file's bytes, and the blocks that hold it.
struct Cluster: BitwiseCopyable {
    /// The bytes of the file.
    var length: UInt32
    /// The blocks in the image.
    var blocks: UInt16
    /// Whether the blocks hold the bytes as they are.
    var isPlain: Bool
}

/// The last cluster of a file where it stands beside the index: its bytes follow the segment's blocks in the output.
struct Tail: BitwiseCopyable {
    /// The bytes of the file.
    var length: Int
    /// The bytes in the image, less than a block.
    var size: Int
    /// Whether they are the file's as they are.
    var isPlain: Bool
}

/// One step of the writer: an inode without data, or a segment of a file.
struct Part {
    var inode: UInt32
    var kind: NodeKind
    var attributes: Attributes
    /// The size of the file, or the encoded number of a device.
    var size: UInt64 = 0
    /// The bytes of the part, in the batch's input unless it is a hole.
    var length: UInt64 = 0
    var inputOffset = 0
    var isHole = false
    /// Whether it is worth trying to compress.
    var mayShrink = true
    var isFirst = true
    var isLast = true
    /// Whether it is a segment of the packed inode.
    var isPacked = false
    /// The bytes where another image has them.
    var taken: TakenSegment?
    /// Where the packed inode has the whole file.
    var fragment: UInt64?
    /// The largest tail of an uncompressed file that fits beside the inode; decided when the part was made.
    var inlineLimit = 0
    /// The largest last cluster that fits beside the inode and the index of a compressed file.
    var tailRoom = 0
    /// Filled by compression: the clusters, empty where the bytes stay as they are, and their bytes in the output.
    var clusters: Range<Int> = 0..<0
    var outputOffset = 0
    var tail: Tail?

    /// Whether compression gained something.
    var isCompressed: Bool { !clusters.isEmpty || tail != nil }
}

/// About a megabyte of input with what is to be done with it. A batch is filled by the writer, compressed on any
/// thread, and taken up by the writer again in the order of filling.
///
/// `@unchecked Sendable`: it has one owner at a time. The writer hands it to a worker through the pool's mutex, and
/// touches it again only after the worker's signal of `done`.
final class Batch: @unchecked Sendable {
    /// The segments into which files are cut for compression. Part of the format of our images: it may not depend
    /// on the number of threads.
    static let segmentSize = 1 << 21
    static let maximumParts = 4096
    static let maximumTakenClusters = 1 << 15

    let input = UnsafeMutableRawBufferPointer.allocate(byteCount: segmentSize, alignment: 64)
    /// Compressed segments are smaller than their input, so its size and one cluster are enough.
    let output = UnsafeMutableRawBufferPointer.allocate(byteCount: segmentSize + (128 << 10), alignment: 64)
    var used = 0
    var parts: [Part] = []
    var clusters: [Cluster] = []
    /// How many clusters of other images its parts take over.
    var takenClusters = 0
    let done = Signal()

    deinit {
        input.deallocate()
        output.deallocate()
    }

    var room: Int { Self.segmentSize - used }
    var isEmpty: Bool { parts.isEmpty }
    var isFull: Bool {
        room == 0 || parts.count >= Self.maximumParts || takenClusters >= Self.maximumTakenClusters
    }

    func reset() {
        used = 0
        takenClusters = 0
        parts.removeAll(keepingCapacity: true)
        clusters.removeAll(keepingCapacity: true)
    }

    func bytes(of part: Part) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(rebasing: input[part.inputOffset..<part.inputOffset + Int(part.length)])
    }
}
