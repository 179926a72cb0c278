/// A point in time as file systems keep it: seconds since 1970, possibly negative, plus nanoseconds that count forward.
public struct Timestamp: Hashable, Sendable {
    /// Whole seconds since 1970-01-01T00:00:00Z, rounded down.
    public var seconds: Int64
    /// 0 to 999,999,999, added to `seconds` also before 1970.
    public var nanoseconds: UInt32

    /// Creates a time.
    public init(seconds: Int64, nanoseconds: UInt32 = 0) {
        self.seconds = seconds
        self.nanoseconds = nanoseconds
    }
}

/// An extended attribute (xattr(7)): a full name such as `user.x` or `security.capability`, and its bytes.
public struct ExtendedAttribute: Hashable, Sendable {
    /// The full name with its namespace, without a terminating NUL.
    public var name: [UInt8]
    /// The value, at most 65,535 bytes: EROFS counts it in 16 bits.
    public var value: [UInt8]

    /// Creates an attribute.
    public init(name: [UInt8], value: [UInt8]) {
        self.name = name
        self.value = value
    }

    /// Creates an attribute with a name in UTF-8.
    public init(_ name: String, _ value: [UInt8]) { self.init(name: Array(name.utf8), value: value) }
}

/// What an inode carries besides its type, size and links.
public struct Attributes: Hashable, Sendable {
    /// The permission bits with setuid, setgid and sticky: at most 0o7777.
    public var permissions: UInt16
    /// The owner.
    public var userID: UInt32
    /// The group.
    public var groupID: UInt32
    /// The last change of the content.
    public var modified: Timestamp
    /// The extended attributes. Of two with one name the last counts.
    public var xattrs: [ExtendedAttribute]

    /// Creates attributes.
    public init(
        permissions: UInt16,
        userID: UInt32 = 0,
        groupID: UInt32 = 0,
        modified: Timestamp = Timestamp(seconds: 0),
        xattrs: [ExtendedAttribute] = []
    ) {
        self.permissions = permissions
        self.userID = userID
        self.groupID = groupID
        self.modified = modified
        self.xattrs = xattrs
    }
}

/// The type of an inode.
public enum NodeKind: UInt8, Hashable, Sendable, CaseIterable, BitwiseCopyable {
    case regular, directory, symbolicLink, characterDevice, blockDevice, fifo, socket
}
