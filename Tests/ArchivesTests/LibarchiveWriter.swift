import CLibArchive
import TestSupport

/// An archive as bsdtar writes it in a format of libarchive's: a folder, files, links, xattrs where it can.
func writeWithLibarchive(format: String) throws -> [UInt8] {
    guard let archive = archive_write_new(), let entry = archive_entry_new() else {
        throw LibarchiveFailure(description: "no memory")
    }
    defer {
        archive_entry_free(entry)
        archive_write_free(archive)
    }
    func check(_ code: Int32) throws {
        guard code >= ARCHIVE_WARN else {
            throw LibarchiveFailure(
                description: archive_error_string(archive).map { String(cString: $0) } ?? "failed"
            )
        }
    }
    try check(archive_write_set_format_by_name(archive, format))
    let capacity = 4 << 20
    let buffer = UnsafeMutableRawPointer.allocate(byteCount: capacity, alignment: 16)
    defer { buffer.deallocate() }
    var used = 0
    try check(archive_write_open_memory(archive, buffer, capacity, &used))

    let isOld = format == "v7tar" || format == "ustar"
    func add(_ path: String, _ type: UInt32, _ content: [UInt8] = [], edit: () -> Void = {}) throws {
        archive_entry_clear(entry)
        archive_entry_set_pathname(entry, path)
        archive_entry_set_filetype(entry, type)
        archive_entry_set_perm(entry, 0o751)
        archive_entry_set_uid(entry, isOld ? 12 : 5_000_000)
        archive_entry_set_mtime(entry, isOld ? 1_000_000 : -7, 0)
        archive_entry_set_size(entry, Int64(content.count))
        edit()
        try check(archive_write_header(archive, entry))
        if !content.isEmpty, archive_write_data(archive, content, content.count) < 0 {
            try check(ARCHIVE_FATAL)
        }
    }
    try add("dir/", 0o040000)
    try add("dir/file", 0o100000, TarCorpus.noise(100_000)) {
        if format.hasPrefix("pax") {
            archive_entry_xattr_add_entry(entry, "user.name", [1, 0, 10, 61] as [UInt8], 4)
            archive_entry_xattr_add_entry(entry, "user.ünï cöde", [2] as [UInt8], 1)
            archive_entry_sparse_add_entry(entry, 0, 100_000)
        }
    }
    if format.hasPrefix("pax") {
        try add("dir/sparse", 0o100000, TarCorpus.noise(100_000)) {
            archive_entry_sparse_add_entry(entry, 4096, 8192)
            archive_entry_sparse_add_entry(entry, 65536, 512)
        }
    }
    try add("dir/hard", 0o100000) { archive_entry_set_hardlink(entry, "dir/file") }
    try add("dir/soft", 0o120000) { archive_entry_set_symlink(entry, "file") }
    try add("dir/empty", 0o100000)
    if format != "v7tar" {
        try add("dir/fifo", 0o010000)
        try add("dir/null", 0o020000) {
            archive_entry_set_rdevmajor(entry, 1)
            archive_entry_set_rdevminor(entry, 3)
        }
    }
    if !isOld { try add(String(repeating: "long/", count: 100) + "name", 0o100000, [1, 2, 3]) }
    try add("last", 0o100000, [9])
    try check(archive_write_close(archive))
    return Array(UnsafeRawBufferPointer(start: buffer, count: used))
}
