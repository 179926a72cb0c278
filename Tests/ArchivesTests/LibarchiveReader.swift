import CLibArchive
import Glibc

/// What a reader says about an entry, in a form that two readers' answers compare in.
struct ReadEntry: Equatable, CustomStringConvertible {
    var path: [UInt8]
    var kind: String
    var linkTarget: [UInt8] = []
    var permissions: UInt16
    var userID: Int64
    var groupID: Int64
    var seconds: Int64
    var nanoseconds: UInt32
    var device: [UInt32] = []
    var xattrs: [[UInt8]: [UInt8]] = [:]
    var content: [UInt8] = []

    var description: String {
        "\(kind) '\(String(decoding: path, as: UTF8.self))' -> '\(String(decoding: linkTarget, as: UTF8.self))' "
            + "\(String(permissions, radix: 8)) \(userID):\(groupID) \(seconds).\(nanoseconds) \(device) "
            + "\(xattrs.count) xattrs \(content.count) bytes"
    }

    /// libarchive reads the pax time -1.25 as -1 second and +0.25; POSIX and GNU tar mean a quarter before -1.
    var withTimeOnTheLine: ReadEntry {
        guard seconds < 0, nanoseconds > 0 else { return self }
        var entry = self
        entry.seconds -= 1
        entry.nanoseconds = 1_000_000_000 - nanoseconds
        return entry
    }
}

struct LibarchiveFailure: Error, CustomStringConvertible { let description: String }

/// Reads a tar archive, compressed or not, through libarchive.
func readWithLibarchive(_ bytes: [UInt8]) throws -> [ReadEntry] {
    guard let archive = archive_read_new() else { throw LibarchiveFailure(description: "no memory") }
    defer { archive_read_free(archive) }
    archive_read_support_format_tar(archive)
    archive_read_support_filter_all(archive)
    // Otherwise AppleDouble files are merged into others.
    archive_read_set_options(archive, "!mac-ext")
    return try bytes.withUnsafeBytes { buffer in
        func check(_ code: Int32) throws -> Bool {
            if code == ARCHIVE_EOF { return false }
            guard code >= ARCHIVE_WARN else {
                throw LibarchiveFailure(
                    description: archive_error_string(archive).map { String(cString: $0) } ?? "failed"
                )
            }
            return true
        }
        _ = try check(archive_read_open_memory(archive, buffer.baseAddress, buffer.count))
        var entries: [ReadEntry] = []
        var entry: OpaquePointer?
        while true {
            // A name that the locale cannot express is a warning, unless errno says that memory is short: set it apart
            // from what some call before left there.
            errno = 0
            guard try check(archive_read_next_header(archive, &entry)), let entry else { break }
            entries.append(try read(entry, from: archive, check))
        }
        return entries
    }
}

private func read(
    _ entry: OpaquePointer,
    from archive: OpaquePointer,
    _ check: (Int32) throws -> Bool
) throws -> ReadEntry {
    let kinds: [UInt32: String] = [
        0o100000: "regular", 0o040000: "directory", 0o120000: "symbolicLink", 0o020000: "characterDevice",
        0o060000: "blockDevice", 0o010000: "fifo",
    ]
    let hardLink = archive_entry_hardlink(entry).map { bytes(of: $0) }
    let kind = hardLink != nil ? "hardLink" : kinds[archive_entry_filetype(entry)] ?? "unknown"
    var result = ReadEntry(
        path: archive_entry_pathname(entry).map { bytes(of: $0) } ?? [],
        kind: kind,
        permissions: UInt16(archive_entry_perm(entry)),
        userID: archive_entry_uid(entry),
        groupID: archive_entry_gid(entry),
        seconds: Int64(archive_entry_mtime(entry)),
        nanoseconds: UInt32(archive_entry_mtime_nsec(entry))
    )
    result.linkTarget = hardLink ?? archive_entry_symlink(entry).map { bytes(of: $0) } ?? []
    if kind.hasSuffix("Device") {
        result.device = [UInt32(archive_entry_rdevmajor(entry)), UInt32(archive_entry_rdevminor(entry))]
    }
    archive_entry_xattr_reset(entry)
    var name: UnsafePointer<CChar>?
    var value: UnsafeRawPointer?
    var size = 0
    while archive_entry_xattr_next(entry, &name, &value, &size) == ARCHIVE_OK, let name {
        result.xattrs[bytes(of: name)] = Array(UnsafeRawBufferPointer(start: value, count: size))
    }
    guard kind == "regular" else { return result }
    var block: UnsafeRawPointer?
    var offset: Int64 = 0
    while try check(archive_read_data_block(archive, &block, &size, &offset)) {
        if Int(offset) > result.content.count {
            result.content += [UInt8](repeating: 0, count: Int(offset) - result.content.count)
        }
        result.content += UnsafeRawBufferPointer(start: block, count: size)
    }
    let full = Int(archive_entry_size(entry))
    if full > result.content.count {
        result.content += [UInt8](repeating: 0, count: full - result.content.count)
    }
    return result
}

private func bytes(of text: UnsafePointer<CChar>) -> [UInt8] {
    var result: [UInt8] = []
    while text[result.count] != 0 { result.append(UInt8(bitPattern: text[result.count])) }
    return result
}
