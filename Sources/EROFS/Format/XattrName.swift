/// How the format shortens an extended attribute's name: an index for the namespace (`EROFS_XATTR_INDEX_*`), then
/// the rest of the name.
struct XattrName: Equatable {
    var index: UInt8
    var suffix: ArraySlice<UInt8>

    private static let namespaces: [(index: UInt8, prefix: [UInt8], isWhole: Bool)] = [
        (1, Array("user.".utf8), false),
        (2, Array("system.posix_acl_access".utf8), true),
        (3, Array("system.posix_acl_default".utf8), true),
        (4, Array("trusted.".utf8), false),
        (6, Array("security.".utf8), false),
    ]

    /// Splits a full name; nil where the format has no index for its namespace.
    init?(_ name: [UInt8]) {
        guard
            let space = Self.namespaces.first(where: { name.starts(with: $0.prefix) }),
            space.isWhole == (name.count == space.prefix.count)
        else { return nil }
        index = space.index
        suffix = name[space.prefix.count...]
    }

    /// The full name of an entry on disk; nil for an index that is not known.
    static func full(index: UInt8, suffix: UnsafeRawBufferPointer) -> [UInt8]? {
        guard let space = namespaces.first(where: { $0.index == index }), space.isWhole == suffix.isEmpty
        else {
            return nil
        }
        return space.prefix + Array(suffix)
    }
}
