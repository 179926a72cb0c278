import CShims
import Glibc
import Host
import OCI
public import SystemPackage

/// Everything that can be seen of a tree of files, a line an entry: two trees are the same if their listings are.
///
/// A line holds the path, type, mode, owner, group, time of change in nanoseconds, size and SHA-256 of a regular
/// file, target of a link, number of a device, the first name of a group of hard links, and extended attributes.
/// The size and link count of a folder are left out: they are the file system's business.
public struct TreeListing: Sendable, Equatable {
    /// Path to the rest of its line.
    public private(set) var entries: [String: String] = [:]

    /// What to leave out.
    public struct Options: OptionSet, Sendable {
        /// The bits.
        public let rawValue: Int
        /// Options from bits.
        public init(rawValue: Int) { self.rawValue = rawValue }
        /// Times of folders: unpacking into a folder changes them.
        public static let folderTimes = Options(rawValue: 1)
        /// Attributes that overlayfs reads, which it does not show itself.
        public static let overlayAttributes = Options(rawValue: 2)
        /// Times of everything but folders.
        public static let fileTimes = Options(rawValue: 4)
        /// Which names are one file.
        public static let links = Options(rawValue: 8)
        /// All extended attributes.
        public static let xattrs = Options(rawValue: 16)
    }

    /// Lists a folder.
    public init(_ root: FilePath, without options: Options = []) throws {
        var groups: [[UInt64]: String] = [:]
        try list(root, name: ".", options, &groups)
    }

    /// The lines in which this listing and another differ, `-` here only and `+` there only; at most 40.
    public func differences(from other: TreeListing) -> [String] {
        var lines: [String] = []
        for path in Set(entries.keys).union(other.entries.keys).sorted()
        where entries[path] != other.entries[path] {
            if let line = entries[path] { lines.append("- \(path) \(line)") }
            if let line = other.entries[path] { lines.append("+ \(path) \(line)") }
        }
        return Array(lines.prefix(40))
    }

    private mutating func list(
        _ path: FilePath,
        name: String,
        _ options: Options,
        _ groups: inout [[UInt64]: String]
    ) throws {
        guard let status = try FileStatus.of(path) else { return }
        var line =
            "\(status.kind) \(String(status.permissions.rawValue, radix: 8)) \(status.userID):\(status.groupID)"
        let times: Options = status.kind == .directory ? .folderTimes : .fileTimes
        if !options.contains(times) { line += " \(status.modified)" }
        switch status.kind {
        case .regular: line += " \(status.size) \(try Self.digest(path))"
        case .symbolicLink: line += " -> \(try Self.target(path))"
        case .characterDevice, .blockDevice: line += " \(status.deviceNumber)"
        case .directory, .fifo, .socket: break
        }
        if status.kind != .directory, status.linkCount > 1, !options.contains(.links) {
            // Names come sorted, so the first of a group is the same in every tree.
            // An overlay's layers number their files each for itself.
            let file = [status.device, status.inode]
            line += " links \(status.linkCount) with \(groups[file, default: name])"
            if groups[file] == nil { groups[file] = name }
        }
        for (key, value) in try Self.xattrs(path).sorted(by: { $0.key < $1.key })
        where !options.contains(.xattrs) {
            if options.contains(.overlayAttributes), key.hasPrefix("trusted.overlay.") { continue }
            line += " \(key)=\(value)"
        }
        entries[name] = line
        guard status.kind == .directory else { return }
        let children = try Directory.names(in: path).map { (name: Self.text($0), component: $0) }
        for child in children.sorted(by: { $0.name < $1.name }) {
            try list(path.appending(child.component), name: "\(name)/\(child.name)", options, &groups)
        }
    }

    private static func digest(_ path: FilePath) throws -> String {
        let file = try File.regular(path)
        let hasher = SHA256()
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 18, alignment: 16)
        defer { buffer.deallocate() }
        while true {
            let count = try file.read(into: buffer)
            if count == 0 { return hasher.finalize().hex }
            hasher.update(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
        }
    }

    private static func target(_ path: FilePath) throws -> String {
        var buffer = [CChar](repeating: 0, count: 8192)
        let count = try retryingSystemCall("readlink", path) {
            path.withPlatformString { readlink($0, &buffer, buffer.count) }
        }
        return text(buffer[..<count].map { UInt8(bitPattern: $0) })
    }

    private static func text(_ name: FilePath.Component) -> String {
        name.withPlatformString {
            text(UnsafeBufferPointer(start: $0, count: strlen($0)).map { UInt8(bitPattern: $0) })
        }
    }

    /// Bytes as text that no other bytes have: what is not UTF-8 as `\xNN`.
    private static func text(_ bytes: [UInt8]) -> String {
        String(validating: bytes, as: UTF8.self)
            ?? bytes.map { $0 < 0x80 ? String(Unicode.Scalar($0)) : "\\x\(String($0, radix: 16))" }.joined()
    }

    private static func xattrs(_ path: FilePath) throws -> [String: String] {
        var names = [CChar](repeating: 0, count: 65536)
        let count = try retryingSystemCall("listxattr", path) {
            path.withPlatformString { shim_llistxattr($0, &names, names.count) }
        }
        var result: [String: String] = [:]
        for name in names[..<count].split(separator: 0) {
            let key = String(decoding: name.map { UInt8(bitPattern: $0) }, as: UTF8.self)
            var value = [UInt8](repeating: 0, count: 65536)
            let size = try retryingSystemCall("getxattr \(key)", path) {
                path.withPlatformString { shim_lgetxattr($0, key, &value, value.count) }
            }
            result[key] = value[..<size].map { String($0, radix: 16) }.joined(separator: ",")
        }
        return result
    }
}
