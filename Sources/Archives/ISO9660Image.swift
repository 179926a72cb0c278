import CLibArchive

/// Makes small ISO 9660 images with libarchive, as cloud-init's NoCloud source reads them.
public enum ISO9660Image {
    /// A file of an image's root folder.
    public struct File: Sendable, Hashable {
        /// Its name.
        public var name: String
        /// Its content.
        public var content: [UInt8]

        /// Creates a file.
        public init(name: String, content: [UInt8]) {
            self.name = name
            self.content = content
        }
    }

    /// An image of files in its root folder, readable by root only, with their names as they are (Rock Ridge and Joliet).
    /// The same files give the same bytes: all times are 1970.
    ///
    /// - Parameters:
    ///   - files: in any order; no name twice.
    ///   - label: the volume's label, at most 32 bytes.
    /// - Throws: ``ArchiveError`` with what libarchive says.
    public static func bytes(_ files: [File], label: String) throws(ArchiveError) -> [UInt8] {
        let capacity = files.reduce(1 << 20) { $0 + $1.content.count + 8192 }
        var image = [UInt8](repeating: 0, count: capacity)
        var used = 0
        // The closure form cannot carry a typed error through, hence the Result.
        let outcome = image.withUnsafeMutableBytes { buffer in
            Result { () throws(ArchiveError) in try write(files, label: label, into: buffer, used: &used) }
        }
        try outcome.get()
        image.removeLast(capacity - used)
        ISO9660Times.clear(in: &image)
        return image
    }

    private static func write(
        _ files: [File],
        label: String,
        into buffer: UnsafeMutableRawBufferPointer,
        used: inout Int
    ) throws(ArchiveError) {
        guard let archive = archive_write_new() else {
            throw ArchiveError(.io, "libarchive has no memory left")
        }
        defer { archive_write_free(archive) }
        func check(_ code: Int32) throws(ArchiveError) {
            guard code < 0 else { return }
            let said = archive_error_string(archive).map { String(cString: $0) } ?? "error \(code)"
            throw ArchiveError(.io, "libarchive cannot write an ISO image: \(said)")
        }
        try check(archive_write_set_format_iso9660(archive))
        try check(archive_write_add_filter_none(archive))
        try check(archive_write_set_options(archive, "volume-id=\(label),!pad"))
        try check(archive_write_set_bytes_per_block(archive, 0))
        // libarchive counts into `used` until the archive is closed.
        let outcome = withUnsafeMutablePointer(to: &used) { count in
            Result { () throws(ArchiveError) in
                try check(archive_write_open_memory(archive, buffer.baseAddress, buffer.count, count))
                for file in files { try add(file, to: archive, check) }
                try check(archive_write_close(archive))
            }
        }
        try outcome.get()
    }

    private static func add(
        _ file: File,
        to archive: OpaquePointer,
        _ check: (Int32) throws(ArchiveError) -> Void
    ) throws(ArchiveError) {
        let entry = archive_entry_new()
        defer { archive_entry_free(entry) }
        archive_entry_set_pathname(entry, file.name)
        archive_entry_set_filetype(entry, UInt32(0o100000))
        archive_entry_set_perm(entry, 0o400)
        archive_entry_set_size(entry, Int64(file.content.count))
        archive_entry_set_mtime(entry, 0, 0)
        archive_entry_set_atime(entry, 0, 0)
        archive_entry_set_ctime(entry, 0, 0)
        archive_entry_set_birthtime(entry, 0, 0)
        try check(archive_write_header(archive, entry))
        let written = file.content.withUnsafeBytes { archive_write_data(archive, $0.baseAddress, $0.count) }
        try check(Int32(clamping: written))
        guard written == file.content.count else {
            throw ArchiveError(
                .io,
                "libarchive wrote \(written) of \(file.content.count) bytes of \(file.name)"
            )
        }
    }
}

/// libarchive puts the time of day into volume descriptors and the root folder, whatever its entries say. This puts 1970
/// there (ECMA-119, 8.4 and 9.1; IEEE P1282, 4.1.6).
private enum ISO9660Times {
    private static let sector = 2048
    private static let firstDescriptor = 16
    /// `19700101000000` and hundredths in digits, then the offset from Greenwich.
    private static let volumeTime = Array("1970010100000000".utf8) + [0]
    /// Years since 1900, month, day, hour, minute, second, offset.
    private static let recordTime: [UInt8] = [70, 1, 1, 0, 0, 0, 0]

    static func clear(in image: inout [UInt8]) {
        var position = firstDescriptor * sector
        // Primary (1) and supplementary (2) descriptors, up to the terminator (255).
        while position + sector <= image.count, image[position] == 1 || image[position] == 2 {
            for field in [813, 830, 864] {
                image.replaceSubrange(
                    position + field..<position + field + volumeTime.count,
                    with: volumeTime
                )
            }
            image.replaceSubrange(position + 156 + 18..<position + 156 + 25, with: recordTime)
            let extent = number(image, position + 156 + 2) * sector
            let length = number(image, position + 156 + 10)
            clearFolder(in: &image, extent..<min(extent + length, image.count))
            position += sector
        }
        // Behind the terminator, libarchive says who made the image and when; nothing reads it.
        position += sector
        guard position + sector <= image.count,
            image[position..<position + 4].elementsEqual(Array("INFO".utf8))
        else {
            return
        }
        image.replaceSubrange(position..<position + sector, with: repeatElement(0, count: sector))
    }

    private static func clearFolder(in image: inout [UInt8], _ range: Range<Int>) {
        var position = range.lowerBound
        while position + 33 <= range.upperBound {
            let length = Int(image[position])
            guard length > 33, position + length <= range.upperBound else { return }
            image.replaceSubrange(position + 18..<position + 25, with: recordTime)
            let name = Int(image[position + 32])
            clearExtensions(in: &image, position + 33 + name + (name & 1 == 0 ? 1 : 0)..<position + length)
            position += length
        }
    }

    /// The times of Rock Ridge's `TF`, in seven bytes each.
    private static func clearExtensions(in image: inout [UInt8], _ range: Range<Int>) {
        var position = range.lowerBound
        while position + 4 <= range.upperBound {
            let length = Int(image[position + 2])
            guard length >= 4, position + length <= range.upperBound else { return }
            if image[position] == UInt8(ascii: "T"), image[position + 1] == UInt8(ascii: "F") {
                for time in stride(from: position + 5, through: position + length - 7, by: 7) {
                    image.replaceSubrange(time..<time + 7, with: recordTime)
                }
            }
            position += length
        }
    }

    private static func number(_ image: [UInt8], _ position: Int) -> Int {
        (0..<4).reduce(0) { $0 | Int(image[position + $1]) << (8 * $1) }
    }
}
