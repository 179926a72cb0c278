public import Host

/// How file data is stored.
public enum Compression: Hashable, Sendable {
    /// As it is.
    case none
    /// LZ4 into physical clusters of `clusterSize` bytes: 4,096 to 65,536, a multiple of 4,096.
    case lz4(clusterSize: Int)
    /// LZ4's high-compression mode at `level` 1 to 12, into clusters as for `lz4`. It reads like LZ4.
    case lz4hc(level: Int, clusterSize: Int)

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
    /// The volume's identifier: 16 bytes.
    public var uuid: [UInt8]
    /// How many threads compress; with 1 the writer's own thread does. The image is the same for any number.
    public var jobs: Int
    /// Looked at before each megabyte of data and each folder.
    public var cancellation: Cancellation?
    /// How much metadata is gathered between stretches of data, in bytes.
    var metadataStretch = 1 << 20

    /// Creates options.
    public init(
        compression: Compression = .lz4(clusterSize: 65536),
        uuid: [UInt8] = Array(repeating: 0, count: 16),
        jobs: Int = 1,
        cancellation: Cancellation? = nil
    ) {
        self.compression = compression
        self.uuid = uuid
        self.jobs = jobs
        self.cancellation = cancellation
    }

    func validate() throws(EROFSError) {
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

/// What came of an image.
public struct Summary: Equatable, Sendable {
    /// The size of the image in bytes, a multiple of 4,096.
    public var size: UInt64
    /// The number of inodes.
    public var inodes: UInt64
    /// The number of names, without the root's.
    public var entries: UInt64
    /// The bytes in the image that belong to files which were replaced or removed.
    public var deadBytes: UInt64
    /// The lowest Linux version that reads the image, such as `5.4`.
    public var minimumKernel: String
}
