public import OCI
public import SystemPackage

/// containerd's snapshotter vocabulary over the store.
///
/// A stack of layers is a committed snapshot, named by its ChainID, with the stack below as its parent. A VM's
/// writable disk is an active snapshot, named by the VM.
public protocol Snapshotter: Sendable {
    /// Makes the writable disk of a VM on the stack it is bound to, unless it is there: a sparse ext4 image.
    /// A disk that is there is left as it is, whatever its size.
    ///
    /// - Parameters:
    ///   - key: the VM's name.
    ///   - parent: the ChainID of the stack below; nil for none.
    ///   - disk: where the disk shall lie, and how big it shall be.
    func prepare(_ key: String, parent: Digest?, disk: WritableDisk) async throws(SnapshotError) -> [Mount]
    /// The first half of ``prepare(_:parent:disk:)``, for many VMs at a time: checks the stack, and makes sure that
    /// there is what the disks are copied from. The caller stages and publishes them.
    func disks(_ key: String, parent: Digest?, _ disks: [WritableDisk]) async throws(SnapshotError) -> DiskSet
    /// What a hypervisor attaches for a snapshot, bottom first.
    func mounts(_ key: String) async throws(SnapshotError) -> [Mount]
    /// What a snapshot is.
    func stat(_ key: String) async throws(SnapshotError) -> SnapshotInfo
    /// Bytes and inodes on disk that are its own.
    func usage(_ key: String) async throws(SnapshotError) -> SnapshotUsage
    /// Calls `body` for every snapshot, parents before children.
    func walk(_ body: @Sendable (SnapshotInfo) throws -> Void) async throws
    /// Removes an active snapshot with its disks and its binding, never while a hypervisor holds a lock on one;
    /// a committed one is refused: it goes with the last image that needs it.
    func remove(_ key: String) async throws(SnapshotError)
}

/// A writable disk to be made.
public struct WritableDisk: Sendable, Hashable {
    /// What is on it at first.
    public enum Content: String, Sendable, Hashable, CaseIterable {
        /// An empty ext4 file system.
        case ext4
        /// Nothing: zeros.
        case none
    }

    /// The smallest disk in bytes: room for a journal and for something to write.
    public static let minimumSize: UInt64 = 16 << 20

    /// The size a disk gets for a wish, in bytes: at least the minimum, whole blocks of 4 KiB.
    public static func actualSize(for wish: UInt64) -> UInt64 {
        let (sum, overflow) = max(wish, minimumSize).addingReportingOverflow(4095)
        return (overflow ? .max : sum) & ~4095
    }

    /// Where, absolute.
    public var path: FilePath
    /// Its size in bytes; rounded by ``actualSize(for:)``.
    public var size: UInt64
    /// What is on it at first.
    public var content: Content
    /// The file system's name; ext4 keeps 16 bytes of it.
    public var label: String

    /// Creates a value.
    public init(path: FilePath, size: UInt64, content: Content = .ext4, label: String = "cow") {
        self.path = path
        self.size = size
        self.content = content
        self.label = label
    }
}

/// A disk to attach.
public struct Mount: Sendable, Hashable, Codable {
    /// `erofs` or `ext4`.
    public var type: String
    /// The image file, absolute.
    public var source: String
    /// `ro` or `rw`.
    public var options: [String]

    /// Creates a value.
    public init(type: String, source: String, options: [String]) {
        self.type = type
        self.source = source
        self.options = options
    }
}

/// What a snapshot is.
public struct SnapshotInfo: Sendable, Hashable, Codable {
    /// Committed or active.
    public enum Kind: String, Sendable, Codable { case committed, active }
    /// A ChainID (`sha256:…`) or a VM's name.
    public var key: String
    /// What it is.
    public var kind: Kind
    /// The ChainID below, if any.
    public var parent: String?

    /// Creates a value.
    public init(key: String, kind: Kind, parent: String? = nil) {
        self.key = key
        self.kind = kind
        self.parent = parent
    }
}

/// What a snapshot takes on disk.
public struct SnapshotUsage: Sendable, Hashable, Codable {
    /// Bytes allocated.
    public var bytes: UInt64
    /// Files.
    public var inodes: UInt64

    /// Creates a value.
    public init(bytes: UInt64, inodes: UInt64) {
        self.bytes = bytes
        self.inodes = inodes
    }
}
