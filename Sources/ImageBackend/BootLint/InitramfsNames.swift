import Archives
import Host
import SystemPackage

/// Reads the names in an initramfs: all of its cpio archives (the format "newc",
/// Documentation/driver-api/early-userspace/buffer-format.rst), to the end of the file.
struct InitramfsNames {
    /// Why the names cannot be told.
    struct Damage: Error { var message: String }

    private static let largestName: UInt64 = 4096

    private let source: any ByteSource
    private var buffer = [UInt8](repeating: 0, count: 256 << 10)
    private var unread = 0..<0
    /// Bytes taken of the archive at hand, which is aligned by itself.
    private var position: UInt64 = 0

    private init(_ source: any ByteSource) { self.source = source }

    /// Calls `body` with each name in the file; nil where its packing cannot be undone here.
    ///
    /// - Throws: ``Damage``, `ArchiveError`.
    static func forEach(
        of file: File,
        _ initramfs: InitramfsFile,
        cancellation: Cancellation,
        _ body: (String) -> Void
    ) throws -> Bool {
        switch initramfs.packing {
        case .lzma, .lzo, .lz4: return false
        case .none, .gzip, .bzip2, .xz, .zstd: break
        }
        let front = FileRangeSource(
            file: file,
            offset: 0,
            length: initramfs.offset,
            cancellation: cancellation
        )
        let last = DecompressingSource(
            FileRangeSource(file: file, offset: initramfs.offset, cancellation: cancellation),
            name: file.path.string,
            limits: DecompressionLimits(outputBytes: 8 << 30)
        )
        for source in [front, last] as [any ByteSource] {
            var names = InitramfsNames(source)
            try names.readAll(body)
        }
        return true
    }

    private mutating func readAll(_ body: (String) -> Void) throws {
        while try skipZeros() {
            position = 0
            var isInside = true
            while isInside {
                guard let header = try take(CPIOHeader.size).flatMap(CPIOHeader.init),
                    (1...Self.largestName).contains(header.nameSize),
                    let name = try take(Int(header.nameSize))
                else { throw Damage(message: "it is no whole cpio archive") }
                let text = String(decoding: name.dropLast(), as: UTF8.self)
                try skip((4 - position % 4) % 4)
                try skip(header.contentSize + (4 - header.contentSize % 4) % 4)
                isInside = text != CPIOHeader.trailer
                if isInside { body(text) }
            }
        }
    }

    /// Whether something follows that is not zero.
    private mutating func skipZeros() throws -> Bool {
        while true {
            if let first = buffer[unread].firstIndex(where: { $0 != 0 }) {
                unread = first..<unread.upperBound
                return true
            }
            unread = 0..<0
            guard try fill() else { return false }
        }
    }

    private mutating func take(_ count: Int) throws -> [UInt8]? {
        while unread.count < count {
            guard try fill() else { return nil }
        }
        defer {
            unread = unread.lowerBound + count..<unread.upperBound
            position += UInt64(count)
        }
        return Array(buffer[unread.prefix(count)])
    }

    private mutating func skip(_ count: UInt64) throws {
        var rest = count
        while rest > 0 {
            // What is missing behind the last archive nobody needs.
            if unread.isEmpty { guard try fill() else { return } }
            let part = Int(min(rest, UInt64(unread.count)))
            unread = unread.lowerBound + part..<unread.upperBound
            rest -= UInt64(part)
            position += UInt64(part)
        }
    }

    /// Reads more behind what is unread; false at the end.
    private mutating func fill() throws(ArchiveError) -> Bool {
        buffer.replaceSubrange(0..<unread.count, with: Array(buffer[unread]))
        unread = 0..<unread.count
        let start = unread.upperBound
        let source = source
        let outcome = buffer.withUnsafeMutableBytes { bytes in
            Result { () throws(ArchiveError) in
                try source.read(into: UnsafeMutableRawBufferPointer(rebasing: bytes[start...]))
            }
        }
        let count = try outcome.get()
        unread = 0..<start + count
        return count > 0
    }
}
