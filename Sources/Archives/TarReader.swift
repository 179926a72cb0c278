/// Reads a tar archive front to back: v7, ustar, GNU, star and pax headers, GNU sparse files in every format.
///
/// Strict where readers of tar archives differ, so that no other reader sees another tree in the same bytes:
/// - An archive ends with two blocks of zeros or with the stream; one such block followed by anything else is an
///   error, as it is to Go's archive/tar and so to Docker and containerd (GNU tar stops there).
/// - The size field of links, folders and special files is ignored, as Go and GNU tar do for links: no content
///   follows them. Where it does (`pax -o linkdata`), there is no header where the next one must be: an error.
/// - A type flag that POSIX leaves to vendors is refused by name, as Docker does, rather than read as a file.
/// - A file whose name ends in a slash is a folder if it has no content, as v7 wrote them, and an error if it has.
/// - Where a pax and a GNU header name an entry, they must agree; a global pax header must not name or size entries.
/// - GNU volume labels are passed over; parts of multi-volume archives are refused.
public final class TarReader {
    /// A part of an entry's content.
    public enum Piece {
        /// Bytes, valid until the reader is called again.
        case data(UnsafeRawBufferPointer)
        /// This many zero bytes that the archive does not store.
        case hole(UInt64)
    }

    private let blocks: BlockBuffer
    private let headers: TarHeaderReader
    private let name: String
    private let limits: TarLimits
    private var content = TarContent(size: 0)
    private var current: (path: [UInt8], offset: UInt64)?
    private var entries: UInt64 = 0
    private var failure: ArchiveError?

    /// Reads an uncompressed archive.
    ///
    /// - Parameters:
    ///   - source: The archive's bytes.
    ///   - name: Names the archive in errors.
    ///   - limits: What the archive may ask for.
    ///   - bufferSize: Bytes that are read at a time from a source that has no buffers of its own.
    public init(
        _ source: any ByteSource,
        name: String,
        limits: TarLimits = .default,
        bufferSize: Int = 256 << 10
    ) {
        blocks = BlockBuffer(source, capacity: bufferSize)
        headers = TarHeaderReader(blocks, name: name, limits: limits)
        self.name = name
        self.limits = limits
    }

    /// How the archive ended; `missing` as long as ``next()`` has not returned nil.
    public var endOfArchive: EndOfArchive { headers.end ?? .missing }

    /// How many bytes of the stream were read or passed over.
    public var offset: UInt64 { blocks.offset }

    /// The next entry, past what is left of the one before; nil at the end of the archive.
    public func next() throws(ArchiveError) -> TarEntry? {
        if let failure { throw failure }
        do throws(ArchiveError) {
            try skipContent()
            guard let (entry, content) = try headers.next() else { return nil }
            self.content = content
            current = (entry.path, entry.offset)
            entries += 1
            if let limit = limits.entries, entries > limit {
                throw located(
                    TarFailure(.limitExceeded, "the archive has more than the \(limit) entries allowed")
                )
            }
            return entry
        } catch {
            failure = error
            throw error
        }
    }

    /// The next part of the current regular entry's content; nil after `size` bytes in all.
    public func nextPiece() throws(ArchiveError) -> Piece? {
        if let failure { throw failure }
        do { return try readPiece() } catch {
            failure = error
            throw error
        }
    }

    /// Reads on to the end of the stream, so that a digest underneath covers it. What follows the end of the
    /// archive is not looked at.
    public func drain() throws(ArchiveError) {
        if let failure { throw failure }
        do {
            while try !blocks.take(.max).isEmpty {}
        } catch {
            failure = error
            throw error
        }
    }

    private func readPiece() throws(ArchiveError) -> Piece? {
        switch content.next {
        case .end: return nil
        case .hole(let count):
            content.passHole(count)
            return .hole(count)
        case .data(let count):
            let bytes = try blocks.take(count)
            guard !bytes.isEmpty else { throw endsEarly(content.stored) }
            content.readData(UInt64(bytes.count))
            return .data(bytes)
        }
    }

    /// Passes over the rest of the current entry and the padding to the next block.
    private func skipContent() throws(ArchiveError) {
        let (stored, padding) = (content.stored, content.padding)
        content = TarContent(size: 0)
        guard stored + padding > 0 else { return }
        let skipped = try blocks.skip(stored + padding)
        // Some writers (umoci insert) end right behind the last byte: the archive then has no end, as it is said.
        guard skipped >= stored else { throw endsEarly(stored - skipped) }
    }

    private func endsEarly(_ missing: UInt64) -> ArchiveError {
        located(
            TarFailure(
                .truncated,
                "the archive ends \(missing) bytes before its content does; copy the file again"
            )
        )
    }

    private func located(_ failure: TarFailure) -> ArchiveError {
        failure.located(name, path: current?.path, offset: current?.offset ?? blocks.offset)
    }
}
