/// What may stand at a place of a `VmConfig`.
///
/// The schema is data: one walk checks a config against it, another finds the host paths in it.
indirect enum SchemaType: Sendable {
    case boolean
    /// A whole number in a range; sizes are bytes.
    case integer(ClosedRange<UInt64>)
    case string
    /// The absolute path of a file, folder, socket or device of the host.
    case hostPath
    /// One of several words, each with the release that first knew it.
    case word([(name: String, since: HypervisorVersion)])
    case list(SchemaType)
    case object([SchemaField])

    static let u8 = SchemaType.integer(0...UInt64(UInt8.max))
    static let u16 = SchemaType.integer(0...UInt64(UInt16.max))
    static let u32 = SchemaType.integer(0...UInt64(UInt32.max))
    static let u64 = SchemaType.integer(0...UInt64.max)

    static func words(_ names: String...) -> SchemaType {
        .word(names.map { ($0, .oldestSupported) })
    }
}

/// A member of an object.
struct SchemaField: Sendable {
    let name: String
    let type: SchemaType
    let isRequired: Bool
    /// Whether null is legal: an `Option` without a default in the hypervisor's source.
    let isNullable: Bool
    /// The first release that knows it; older ones ignore it without a word.
    let since: HypervisorVersion

    /// A member that has to be there.
    static func required(_ name: String, _ type: SchemaType) -> SchemaField {
        SchemaField(name: name, type: type, isRequired: true, isNullable: false, since: .oldestSupported)
    }

    /// A member with a default.
    static func field(_ name: String, _ type: SchemaType, since release: Int? = nil) -> SchemaField {
        SchemaField(
            name: name,
            type: type,
            isRequired: false,
            isNullable: false,
            since: release.map { HypervisorVersion($0) } ?? .oldestSupported
        )
    }

    /// A member that may be null.
    static func optional(_ name: String, _ type: SchemaType, since release: Int? = nil) -> SchemaField {
        SchemaField(
            name: name,
            type: type,
            isRequired: false,
            isNullable: true,
            since: release.map { HypervisorVersion($0) } ?? .oldestSupported
        )
    }
}
