import CLibArchive

/// Compresses with gzip (RFC 1952) through libarchive, at zlib's default level; the header holds no name and no time.
/// ISA-L, which inflates, is not used: what it makes depends on the processor.
final class GzipSink: ByteSink {
    /// Where libarchive's calls end, and what stopped one.
    private final class Target {
        let downstream: any ByteSink
        var failure: (any Error)?

        init(_ downstream: any ByteSink) { self.downstream = downstream }
    }

    private let target: Target
    private let archive: OpaquePointer

    init(_ downstream: any ByteSink) throws(ArchiveError) {
        guard let archive = archive_write_new() else {
            throw ArchiveError(.io, "no memory for a gzip compressor", isTransient: true)
        }
        self.archive = archive
        target = Target(downstream)
        archive_write_set_format_raw(archive)
        archive_write_add_filter_gzip(archive)
        archive_write_set_filter_option(archive, "gzip", "timestamp", nil)
        archive_write_set_bytes_per_block(archive, 256 << 10)
        // No zeros behind the end.
        archive_write_set_bytes_in_last_block(archive, 1)
        let code = archive_write_open(
            archive,
            Unmanaged.passUnretained(target).toOpaque(),
            nil,
            { _, context, bytes, count in
                guard let context else { return -1 }
                let target = Unmanaged<Target>.fromOpaque(context).takeUnretainedValue()
                do {
                    try target.downstream.write(UnsafeRawBufferPointer(start: bytes, count: count))
                    return count
                } catch {
                    target.failure = error
                    return -1
                }
            },
            nil
        )
        let entry = archive_entry_new()
        defer { archive_entry_free(entry) }
        // AE_IFREG, a macro that Swift does not see: the one entry of a raw stream is a regular file.
        archive_entry_set_filetype(entry, 0o100000)
        guard code == ARCHIVE_OK, archive_write_header(archive, entry) == ARCHIVE_OK else {
            let message = Self.message(archive)
            archive_write_free(archive)
            throw ArchiveError(.io, message)
        }
    }

    deinit {
        // What is not finished is given up: nothing more is to be written.
        archive_write_fail(archive)
        archive_write_free(archive)
    }

    func write(_ bytes: UnsafeRawBufferPointer) throws {
        guard !bytes.isEmpty else { return }
        guard archive_write_data(archive, bytes.baseAddress, bytes.count) == bytes.count else {
            throw target.failure ?? ArchiveError(.io, Self.message(archive))
        }
    }

    func finish() throws {
        guard archive_write_close(archive) == ARCHIVE_OK else {
            throw target.failure ?? ArchiveError(.io, Self.message(archive))
        }
        try target.downstream.finish()
    }

    private static func message(_ archive: OpaquePointer) -> String {
        "gzip cannot compress: \(archive_error_string(archive).map { String(cString: $0) } ?? "for reasons unknown")"
    }
}
