public import OCI
import Synchronization

/// An archive of images whose members pass once, from front to back, as through a pipe.
///
/// Where members lie is noted, what may be an index, a manifest or a config is kept, and whoever wants the bytes of another
/// member reads them as they pass: ``PassingMember``. The images are told at the end by the same rules as those of a file;
/// before, as far as the documents that have passed tell them.
///
/// `@unchecked Sendable`: one thread uses it at a time. A member may be read on another one, until the next is asked for.
public final class ArchiveStream: @unchecked Sendable {
    /// The archive's name in errors.
    public let name: String

    private let source: any ByteSource
    private let reader: TarReader
    private let platform: Platform
    private(set) var members: ArchiveMembers
    private var memberCount = 0
    private weak var current: PassingMember?
    private var documentBytes = 0
    /// Content of the current member that was read already, to be given out first; it is followed by `pending`.
    private var prefix: [UInt8] = []
    private var given = 0
    /// Where the last piece of content that the reader gave goes on.
    private var pending = UnsafeRawBufferPointer(start: nil, count: 0)

    /// Bytes of a member that are looked at to tell what it is. No block of zstd is larger.
    private static let prefixLength = 256 << 10

    /// Reads an archive of images from its beginning.
    ///
    /// - Parameters:
    ///   - name: names it in errors.
    ///   - platform: which images are wanted.
    public init(_ source: any ByteSource, name: String, limits: ArchiveLimits, platform: Platform = .host) {
        self.name = name
        self.platform = platform
        let plain = DecompressingSource(source, name: name, limits: limits.decompression)
        self.source = plain
        reader = TarReader(plain, name: name)
        members = ArchiveMembers(passing: name, limits: limits)
    }

    /// Reads on to the next member that may be a layer, past what is left of the one before, which nobody can read any more
    /// then; nil at the end of the stream. Waits for a read of the one before that goes on.
    ///
    /// - Throws: ``ArchiveError`` `limitExceeded` for more members, documents or bytes than allowed; whatever is wrong with
    ///   the stream.
    public func next() throws(ArchiveError) -> PassingMember? {
        current?.close()
        while let entry = try reader.next() {
            memberCount += 1
            guard memberCount <= members.limits.members else { throw members.tooManyMembers(entry) }
            let offset = reader.offset
            members.note(passing: entry, at: offset)
            guard entry.kind == .regular, !entry.isSparse, entry.size > 0 else { continue }
            try readPrefix()
            if entry.size <= UInt64(OCILayout.configLimit), Self.beginsLikeJSON(prefix) {
                try keepDocument(entry.size, at: offset)
                continue
            }
            let member = PassingMember(
                path: ArchiveMembers.normalized(entry.path, in: []) ?? "",
                offset: offset,
                size: entry.size,
                isErofs: Self.isErofs(prefix),
                source: self
            )
            current = member
            return member
        }
        try reader.drain()
        return nil
    }

    /// The images for the platform once all of the archive has passed.
    public func images() throws(ArchiveError) -> [ArchivedImage] {
        guard let (_, images) = try ImageArchive.images(in: members, platform) else { return [] }
        return images
    }

    /// The images as far as they are told by what has passed; nil while documents are missing. Of their layers the bytes
    /// need not have passed, and what is said of where they lie does not count. A docker-archive is told at its end only:
    /// its layers may be links to any member.
    public func promisedImages() -> [ArchivedImage]? {
        guard let index = try? OCILayout.index(members) else { return nil }
        return try? OCILayout(members, platform, awaitsLayers: true).images(index)
    }

    /// How many documents have passed.
    public var documents: Int {
        if case .passed(let documents) = members.home { documents.count } else { 0 }
    }

    /// The bytes of a member that was taken for a document; nil of any other.
    public func document(at offset: UInt64) -> [UInt8]? {
        if case .passed(let documents) = members.home { documents[offset] } else { nil }
    }

    // MARK: The current member

    private func readPrefix() throws(ArchiveError) {
        prefix = []
        given = 0
        pending = UnsafeRawBufferPointer(start: nil, count: 0)
        while prefix.count < Self.prefixLength, case .data(let piece)? = try reader.nextPiece() {
            let part = piece.prefix(Self.prefixLength - prefix.count)
            prefix += part
            pending = UnsafeRawBufferPointer(rebasing: piece[part.endIndex...])
        }
    }

    private func keepDocument(_ size: UInt64, at offset: UInt64) throws(ArchiveError) {
        var document = prefix
        document.reserveCapacity(Int(size))
        document += pending
        while case .data(let piece)? = try reader.nextPiece() { document += piece }
        documentBytes += document.count
        guard documentBytes <= ArchiveMembers.documentsLimit else { throw members.tooManyDocuments }
        members.keep(document, at: offset)
    }

    /// The next bytes of the current member; 0 at its end.
    fileprivate func read(into buffer: UnsafeMutableRawBufferPointer) throws(ArchiveError) -> Int {
        if given < prefix.count {
            let count = min(buffer.count, prefix.count - given)
            buffer.copyBytes(from: prefix[given..<given + count])
            given += count
            return count
        }
        if pending.isEmpty {
            guard case .data(let piece)? = try reader.nextPiece() else { return 0 }
            pending = piece
        }
        let part = UnsafeRawBufferPointer(rebasing: pending.prefix(buffer.count))
        buffer.copyMemory(from: part)
        pending = UnsafeRawBufferPointer(rebasing: pending[part.count...])
        return part.count
    }

    private static func beginsLikeJSON(_ bytes: [UInt8]) -> Bool {
        let first = bytes.first { ![0x20, 0x09, 0x0A, 0x0D].contains($0) }
        return first == UInt8(ascii: "{") || first == UInt8(ascii: "[")
    }

    /// Whether what begins like this, perhaps compressed, has the magic number of EROFS (fs/erofs/erofs_fs.h).
    private static func isErofs(_ prefix: [UInt8]) -> Bool {
        let source = DecompressingSource(MemorySource(prefix), name: "")
        var start = [UInt8](repeating: 0, count: 1028)
        var count = 0
        while count < start.count {
            let read = start.withUnsafeMutableBytes { bytes in
                try? source.read(into: UnsafeMutableRawBufferPointer(rebasing: bytes[count...]))
            }
            guard let read, read > 0 else { return false }
            count += read
        }
        return start[1024...].elementsEqual([0xE2, 0xE1, 0xF5, 0xE0])
    }
}

/// A member of an archive of images as it passes. Its bytes are read once, on whatever thread, until the stream is asked for
/// the next.
///
/// `@unchecked Sendable`: the stream is touched with the lock held and while this is open only, and the stream closes it
/// before it goes on.
public final class PassingMember: ByteSource, @unchecked Sendable {
    /// Its name in the archive, without `.` and empty parts; empty where it has none that could be asked for.
    public let path: String
    /// Where in the archive its content begins.
    public let offset: UInt64
    /// Its bytes.
    public let size: UInt64
    /// Whether it is an EROFS image, compressed or not, rather than a tar.
    public let isErofs: Bool

    private let source: ArchiveStream
    private let isClosed = Mutex(false)

    fileprivate init(path: String, offset: UInt64, size: UInt64, isErofs: Bool, source: ArchiveStream) {
        self.path = path
        self.offset = offset
        self.size = size
        self.isErofs = isErofs
        self.source = source
    }

    /// Reads the next bytes.
    public func read(into buffer: UnsafeMutableRawBufferPointer) throws(ArchiveError) -> Int {
        try isClosed.withLock { (isClosed) throws(ArchiveError) in
            guard !isClosed else { throw .cancelled(path) }
            return try source.read(into: buffer)
        }
    }

    /// Returns once nobody reads any more; who tries later fails.
    fileprivate func close() { isClosed.withLock { $0 = true } }
}
