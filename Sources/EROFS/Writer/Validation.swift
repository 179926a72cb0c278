/// What the format, or Linux reading it, does not allow.
enum Validation {
    /// The longest name of an extended attribute (XATTR_NAME_MAX, linux/limits.h).
    private static let maximumXattrName = 255
    /// `i_xattr_icount` counts words in 16 bits.
    private static let maximumXattrBytes = Format.xattrHeaderSize + (Int(UInt16.max) - 1) * 4

    static func check(name: UnsafeRawBufferPointer) throws(EROFSError) {
        let bytes = name.prefix(Format.maximumNameLength + 1)
        if name.isEmpty { throw .invalidName([], "is empty") }
        if name.count > Format.maximumNameLength {
            throw .invalidName(
                Array(bytes),
                "has \(name.count) bytes, more than the 255 that a file system holds"
            )
        }
        if bytes.contains(0) { throw .invalidName(Array(bytes), "contains a NUL byte") }
        if bytes.contains(UInt8(ascii: "/")) { throw .invalidName(Array(bytes), "contains a slash") }
        if bytes.elementsEqual([UInt8(ascii: ".")])
            || bytes.elementsEqual([UInt8(ascii: "."), UInt8(ascii: ".")])
        {
            throw .invalidName(Array(bytes), "stands for a folder itself or its parent")
        }
    }

    static func check(_ attributes: Attributes) throws(EROFSError) {
        guard attributes.permissions <= 0o7777 else {
            throw .unsupported(
                "permissions 0\(String(attributes.permissions, radix: 8)) have bits beyond 07777"
            )
        }
        guard attributes.modified.nanoseconds < 1_000_000_000 else {
            throw .unsupported("a time with \(attributes.modified.nanoseconds) nanoseconds")
        }
        var total = Format.xattrHeaderSize
        for attribute in attributes.xattrs {
            let name = quoted(attribute.name)
            guard let short = XattrName(attribute.name), attribute.name.count <= maximumXattrName,
                !attribute.name.contains(0), attribute.name.last != UInt8(ascii: ".")
            else { throw .unsupported("EROFS has no place for the extended attribute \(name)") }
            guard attribute.value.count <= UInt16.max else {
                throw .unsupported(
                    "the extended attribute \(name) has \(attribute.value.count) bytes; EROFS holds 65535"
                )
            }
            total += align(Format.xattrEntrySize + short.suffix.count + attribute.value.count, to: 4)
        }
        guard total <= maximumXattrBytes else {
            throw .unsupported(
                "extended attributes of \(total) bytes on one file; EROFS holds \(maximumXattrBytes)"
            )
        }
    }

    static func check(target: UnsafeRawBufferPointer) throws(EROFSError) {
        guard (1...Format.maximumTargetLength).contains(target.count) else {
            throw .unsupported("a symbolic link to a path of \(target.count) bytes; Linux allows 1 to 4095")
        }
        guard !target.contains(0) else { throw .unsupported("a symbolic link to a path with a NUL byte") }
    }

    static func check(_ device: DeviceNumber) throws(EROFSError) {
        guard device.major <= DeviceNumber.maximumMajor, device.minor <= DeviceNumber.maximumMinor else {
            throw .unsupported("device \(device.major):\(device.minor) is beyond Linux's 12 and 20 bits")
        }
    }
}
