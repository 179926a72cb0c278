/// What tells one state of a file from another without reading it: inode, size and both times of change.
///
/// The device number is left out on purpose: it may change over a reboot. A file whose content changes gets a new
/// ctime even where a program puts the mtime back, so equal identities mean an unchanged file on every local
/// file system.
public struct FileIdentity: Hashable, Sendable {
    /// The inode number.
    public let inode: UInt64
    /// Size in bytes.
    public let size: UInt64
    /// Last change of content, nanoseconds since 1970.
    public let modified: Int64
    /// Last change of content or inode, nanoseconds since 1970.
    public let changed: Int64

    /// Creates an identity from its parts.
    public init(inode: UInt64, size: UInt64, modified: Int64, changed: Int64) {
        self.inode = inode
        self.size = size
        self.modified = modified
        self.changed = changed
    }

    /// The identity that a status shows.
    public init(_ status: FileStatus) {
        self.init(inode: status.inode, size: status.size, modified: status.modified, changed: status.changed)
    }
}

extension FileIdentity: LosslessStringConvertible, Codable {
    /// Parses the written form; nil for anything else.
    public init?(_ description: String) {
        let fields = description.split(separator: " ", omittingEmptySubsequences: false)
        let names = ["inode=", "size=", "mtime=", "ctime="]
        guard fields.count == names.count else { return nil }
        for (field, name) in zip(fields, names) where !field.hasPrefix(name) { return nil }
        let values = zip(fields, names).map { $0.dropFirst($1.count) }
        guard let inode = UInt64(values[0]), let size = UInt64(values[1]), let modified = Int64(values[2]),
            let changed = Int64(values[3])
        else { return nil }
        self.init(inode: inode, size: size, modified: modified, changed: changed)
    }

    /// One line: `inode=12 size=4096 mtime=1700000000000000000 ctime=1700000000000000000`.
    public var description: String { "inode=\(inode) size=\(size) mtime=\(modified) ctime=\(changed)" }

    /// Decodes the written form.
    public init(from decoder: any Decoder) throws {
        let text = try decoder.singleValueContainer().decode(String.self)
        guard let identity = FileIdentity(text) else {
            throw DecodingError.dataCorrupted(
                .init(codingPath: decoder.codingPath, debugDescription: "'\(text)' is not a file's identity")
            )
        }
        self = identity
    }

    /// Encodes the written form.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}
