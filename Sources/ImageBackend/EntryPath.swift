/// The path of a tar entry inside its layer: components without `.`, empty ones and a leading slash.
///
/// The root itself has no components.
struct EntryPath: Hashable {
    /// The components, each 1 to 255 bytes, none of them `.` or `..`.
    let components: [ArraySlice<UInt8>]

    /// What is wrong with a path.
    enum Problem: Error, Equatable {
        /// It contains `..`: what it names depends on what lies there.
        case parentReference
        /// A component is longer than 255 bytes (NAME_MAX).
        case nameTooLong
        /// More than 4,096 components.
        case tooDeep
    }

    /// Normalises the bytes of a path: `./usr//bin/` and `/usr/bin` are the same.
    init(_ bytes: some Sequence<UInt8>) throws(Problem) {
        let content = bytes as? [UInt8] ?? Array(bytes)
        var components: [ArraySlice<UInt8>] = []
        components.reserveCapacity(8)
        var start = 0
        while start < content.count {
            let end = content[start...].firstIndex(of: UInt8(ascii: "/")) ?? content.count
            defer { start = end + 1 }
            let component = content[start..<end]
            switch component.count {
            case 0: continue
            case 1 where component.first == UInt8(ascii: "."): continue
            case 2 where component.first == UInt8(ascii: ".") && component.last == UInt8(ascii: "."):
                throw .parentReference
            case 256...: throw .nameTooLong
            default: components.append(component)
            }
        }
        guard components.count <= 4096 else { throw .tooDeep }
        self.components = components
    }

    /// The root.
    static let root = EntryPath(components: [])

    /// A path of names that are known to be right.
    init(components: [ArraySlice<UInt8>]) { self.components = components }

    /// The path of a name in the folder that this one names.
    func appending(_ name: ArraySlice<UInt8>) -> EntryPath { EntryPath(components: components + [name]) }

    /// The last component; nil for the root.
    var name: ArraySlice<UInt8>? { components.last }
    /// The path of the folder that holds what this one names; the root for the root.
    var folder: EntryPath { EntryPath(components: components.dropLast()) }
    /// The components above the last.
    var parent: ArraySlice<ArraySlice<UInt8>> { components.dropLast() }
}

extension String {
    /// Bytes of a name for a message: control characters and what is no UTF-8 as `\xNN`.
    init(printable bytes: some Sequence<UInt8>) {
        var result = ""
        for scalar in String(decoding: Array(bytes), as: UTF8.self).unicodeScalars {
            switch scalar.value {
            case 0..<0x20, 0x7F..<0xA0: result += "\\x" + String(scalar.value, radix: 16)
            default: result.unicodeScalars.append(scalar)
            }
        }
        self = result
    }
}
