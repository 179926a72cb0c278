public import Host

/// Proves that an image which nobody vouches for is well-formed, and harmless to a kernel that mounts it.
///
/// Every folder is walked once and every inode looked at once: folders form a tree with `.` and `..` right and names
/// sorted, each inode has as many names as its link count says, all that an inode points at lies within the image,
/// metadata does not overlap, indexes answer for every block alike, and compressed data expands to what they say.
/// Uncompressed data is not read: any bytes will do there, those of metadata and of other files too.
///
/// Memory is a few bits for each inode and directory block, and the folders from the root to where the walk is. The
/// work grows with the size of the image's metadata and compressed data, however they refer to each other.
public struct ImageCheck: Sendable {
    /// Bounds beyond which an image is refused unread.
    public struct Limits: Sendable, Hashable {
        /// Names in the image.
        public var entries: UInt64
        /// Folders within folders.
        public var depth: Int
        /// Bytes of a path.
        public var pathBytes: Int
        /// Bytes that compressed data is expanded to, in all; nil for no bound but what EROFS itself has.
        public var expandedBytes: UInt64?
        /// ``Report/tarBytes``: files may share blocks and attributes, so that the tree is far larger than its image; nil
        /// for no bound.
        public var tarBytes: UInt64?

        /// Creates limits; the defaults are far above any image seen.
        public init(
            entries: UInt64 = 20_000_000,
            depth: Int = 4096,
            pathBytes: Int = 1 << 20,
            expandedBytes: UInt64? = nil,
            tarBytes: UInt64? = nil
        ) {
            self.entries = entries
            self.depth = depth
            self.pathBytes = pathBytes
            self.expandedBytes = expandedBytes
            self.tarBytes = tarBytes
        }
    }

    /// What was found in a sound image.
    public struct Report: Equatable, Sendable {
        /// Inodes that have a name, and the root.
        public internal(set) var inodes: UInt64 = 0
        /// Names, without the root's.
        public internal(set) var entries: UInt64 = 0
        /// Bytes of regular files, holes included.
        public internal(set) var fileBytes: UInt64 = 0
        /// Bytes that compressed data was expanded to.
        public internal(set) var expandedBytes: UInt64 = 0
        /// About how many bytes a tar of the tree has: for each name two headers and its path, with the attributes that
        /// its inode has, shared ones too; and the files, holes included.
        public internal(set) var tarBytes: UInt64 = 0
    }

    /// Bounds beyond which an image is refused.
    public var limits: Limits
    /// Says by its name whether an extended attribute may be there.
    public var isAttributeAllowed: @Sendable ([UInt8]) -> Bool
    /// Looked at before each name and each cluster.
    public var cancellation: Cancellation?

    /// Creates a check.
    public init(
        limits: Limits = Limits(),
        isAttributeAllowed: @escaping @Sendable ([UInt8]) -> Bool = { _ in true },
        cancellation: Cancellation? = nil
    ) {
        self.limits = limits
        self.isAttributeAllowed = isAttributeAllowed
        self.cancellation = cancellation
    }

    /// Checks an image from its superblock to the last byte that it compressed.
    ///
    /// - Throws: ``EROFSError``: `corrupt` with the path, the inode and what is wrong; `unsupported` for a feature
    ///   that is not known here; `limitExceeded`; `cancelled`; `file`.
    public func check(_ file: File) throws(EROFSError) -> Report {
        var walk = try TreeWalk(ImageReader(file: file), self)
        return try walk.run()
    }
}
