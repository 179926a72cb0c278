import CShims
public import SystemPackage

/// What statfs(2) says of the file system that holds a path.
public struct FileSystemStatus: Sendable, Equatable {
    /// The magic number of its type (linux/magic.h).
    public let type: Int64
    /// All bytes.
    public let totalBytes: UInt64
    /// Bytes that are in use, as df(1) has it: what is kept for root alone is neither in use nor available.
    public let usedBytes: UInt64
    /// Bytes that an unprivileged process may still use.
    public let availableBytes: UInt64
    /// Free inodes; nil where the file system does not count them.
    public let freeInodes: UInt64?

    /// Creates a status, for tests that stand in for a file system.
    ///
    /// - Parameter usedBytes: nil for all that is not available.
    public init(
        type: Int64,
        totalBytes: UInt64,
        usedBytes: UInt64? = nil,
        availableBytes: UInt64,
        freeInodes: UInt64?
    ) {
        self.type = type
        self.totalBytes = totalBytes
        self.usedBytes = usedBytes ?? totalBytes - min(totalBytes, availableBytes)
        self.availableBytes = availableBytes
        self.freeInodes = freeInodes
    }

    /// The status of the file system that holds `path`.
    public static func of(_ path: FilePath) throws(FileError) -> FileSystemStatus {
        var type: Int64 = 0
        var blockSize: UInt64 = 0, blocks: UInt64 = 0, free: UInt64 = 0, available: UInt64 = 0
        var inodes: UInt64 = 0, freeInodes: UInt64 = 0
        try retryingSystemCall("statfs", path) {
            path.withPlatformString {
                shim_statfs($0, &type, &blockSize, &blocks, &free, &available, &inodes, &freeInodes)
            }
        }
        return FileSystemStatus(
            type: type,
            totalBytes: blocks &* blockSize,
            usedBytes: (blocks - min(blocks, free)) &* blockSize,
            availableBytes: available &* blockSize,
            freeInodes: inodes == 0 ? nil : freeInodes
        )
    }

    /// Whether other machines or programs can change files here without inotify telling (linux/magic.h:
    /// NFS, SMB, CIFS, SMB2, FUSE, 9p, Ceph, AFS).
    public var isBlindToInotify: Bool {
        [0x6969, 0x517B, 0xFF53_4D42, 0xFE53_4D42, 0x6573_5546, 0x0102_1997, 0x00C3_6400, 0x5346_414F]
            .contains(type)
    }
}
