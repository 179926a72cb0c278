public import Host

/// How file data is stored.
public enum Compression: Hashable, Sendable {
    /// As it is.
    case none
    /// LZ4 into physical clusters of `clusterSize` bytes: 4,096 to 65,536, a multiple of 4,096.
    case lz4(clusterSize: Int)
    /// LZ4's high-compression mode at `level` 1 to 12, into clusters as for `lz4`. It reads like LZ4.
    case lz4hc(level: Int, clusterSize: Int)

    /// Makes physical clusters no larger than this, in bytes.
    mutating func limitClusters(to size: Int) {
        switch self {
        case .none: break
        case .lz4(let own): self = .lz4(clusterSize: min(own, size))
        case .lz4hc(let level, let own): self = .lz4hc(level: level, clusterSize: min(own, size))
        }
    }

    /// The size of a physical cluster in bytes; nil without compression.
    var clusterSize: Int? {
        switch self {
        case .none: nil
        case .lz4(let size), .lz4hc(_, let size): size
        }
    }
}

/// What an ``ImageWriter`` is told once.
public struct WriterOptions: Sendable {
    /// How file data is stored.
    public var compression: Compression
    /// The oldest Linux that has to read the image; what it does not know is not used.
    public var guestKernel: GuestKernel
    /// The volume's identifier: 16 bytes.
    public var uuid: [UInt8]
    /// How many threads compress; with 1 the writer's own thread does. The image is the same for any number.
    public var jobs: Int
    /// Bytes that the data in the image may take; beyond them writing fails with ``EROFSError/limitExceeded(_:)``. Files of
    /// another image may share blocks there and come to more than that image.
    public var maximumDataBytes: UInt64?
    /// Looked at before each megabyte of data and each folder.
    public var cancellation: Cancellation?
    /// How much metadata is gathered between stretches of data, in bytes.
    var metadataStretch = 1 << 20
    /// The largest file that is packed together with others, in bytes.
    var packedFileSize: UInt64 = 64 << 10
    /// Whether there may be a packed inode: an image has one.
    var mayPack = true

    /// Creates options. Without `guestKernel`, every Linux since 5.15 reads the image.
    public init(
        compression: Compression = .lz4(clusterSize: 65536),
        guestKernel: GuestKernel = .chunks,
        uuid: [UInt8] = Array(repeating: 0, count: 16),
        jobs: Int = 1,
        maximumDataBytes: UInt64? = nil,
        cancellation: Cancellation? = nil
    ) {
        self.compression = compression
        self.guestKernel = guestKernel
        self.uuid = uuid
        self.jobs = jobs
        self.maximumDataBytes = maximumDataBytes
        self.cancellation = cancellation
    }

    func validate() throws(EROFSError) {
        guard guestKernel >= .oldest else {
            throw .unsupported(
                "images for Linux \(guestKernel); the oldest that reads them is \(GuestKernel.oldest)"
            )
        }
        guard uuid.count == 16 else { throw .misuse("a UUID has 16 bytes, not \(uuid.count)") }
        guard (1...256).contains(jobs) else { throw .misuse("\(jobs) compression jobs; it takes 1 to 256") }
        if let size = compression.clusterSize {
            guard (4096...65536).contains(size), size % 4096 == 0 else {
                throw .misuse("a cluster of \(size) bytes; it takes a multiple of 4096 up to 65536")
            }
        }
        if case .lz4hc(let level, _) = compression, !(1...12).contains(level) {
            throw .misuse("LZ4HC level \(level); it takes 1 to 12")
        }
    }
}

extension WriterOptions {
    /// The compression as far as the guest's kernel allows: clusters of one block before Linux 5.13.
    var effectiveCompression: Compression {
        var effective = compression
        if guestKernel < .bigClusters { effective.limitClusters(to: Format.blockSize) }
        return effective
    }

    /// Whether the end of a compressed file may stand beside its index.
    var packsTails: Bool { compression != .none && guestKernel >= .tailPacking }

    /// Whether small files are packed together.
    var packsFiles: Bool { compression != .none && guestKernel >= .fragments && mayPack }

    /// Whether there may be a packed inode made of others'.
    var takesPackedFiles: Bool { guestKernel >= .fragments && mayPack }

    /// Whether uncompressed files may have holes.
    var hasChunks: Bool { guestKernel >= .chunks }
}

/// What came of an image.
public struct Summary: Equatable, Sendable {
    /// The size of the image in bytes, a multiple of 4,096.
    public var size: UInt64
    /// The number of inodes.
    public var inodes: UInt64
    /// The number of names, without the root's.
    public var entries: UInt64
    /// The bytes in the image that belong to files which were replaced or removed; of those packed together with others,
    /// their share of the compressed bytes.
    public var deadBytes: UInt64
    /// The oldest Linux that reads the image.
    public var minimumKernel: GuestKernel
}
