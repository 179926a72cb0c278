/// Reads the headers of an archive up to and with each entry's own.
final class TarHeaderReader {
    private let blocks: BlockBuffer
    private let name: String
    private let limits: TarLimits
    private var globals = PaxRecords()
    private var previous: [UInt8]?

    /// How the archive ended, once it has.
    private(set) var end: EndOfArchive?

    init(_ blocks: BlockBuffer, name: String, limits: TarLimits) {
        self.blocks = blocks
        self.name = name
        self.limits = limits
    }

    /// The next entry and its content, the buffer then standing at what is stored of that; nil at the end.
    func next() throws(ArchiveError) -> (entry: TarEntry, content: TarContent)? {
        if end != nil { return nil }
        var extended = ExtendedHeaders()
        while true {
            let offset = blocks.offset
            let block = try blocks.peek(TarHeader.size)
            guard block.count == TarHeader.size else {
                end = try endOfStream(block.count, after: extended)
                return nil
            }
            let header = TarHeader(block)
            if header.isZero {
                end = try endBlocks(after: extended)
                return nil
            }
            guard header.hasValidChecksum else { throw noHeader() }
            switch header.type {
            case UInt8(ascii: "L"): extended.longName = try readName(header)
            case UInt8(ascii: "K"): extended.longLink = try readName(header)
            case UInt8(ascii: "x"), UInt8(ascii: "X"):
                guard extended.pax == nil else {
                    throw failure(.invalid, "a second pax header for one entry", offset)
                }
                var records = globals
                try read(header, into: &records, isGlobal: false)
                extended.pax = records
            case UInt8(ascii: "g"): try read(header, into: &globals, isGlobal: true)
            case UInt8(ascii: "V"): _ = try readBody(header, limit: limits.nameBytes)
            default: return try readEntry(header, extended)
            }
        }
    }

    private func readEntry(
        _ header: TarHeader,
        _ extended: ExtendedHeaders
    ) throws(ArchiveError) -> (entry: TarEntry, content: TarContent) {
        let offset = blocks.offset
        let records = extended.pax ?? globals
        var path: [UInt8]?
        let entry: TarEntry
        let layout: ContentLayout
        do throws(TarFailure) {
            let name = try extended.path(records) ?? header.path
            path = name
            (entry, layout) = try header.entry(extended, records, path: name, offset: offset, limits: limits)
        } catch { throw error.located(name, path: path, offset: offset) }
        blocks.consume(TarHeader.size)
        previous = path
        switch layout {
        case .none: return (entry, TarContent(size: 0))
        case .plain(let size): return (entry, TarContent(size: size))
        case .passedOver(let size): return (entry, TarContent(passingOver: size))
        case .sparse(let stored, let segments, let rest):
            let maps = SparseMapReader(blocks, limits: limits) { failure in
                failure.located(self.name, path: entry.path, offset: offset)
            }
            let content = try maps.content(size: entry.size, stored: stored, map: segments, rest: rest)
            var sparse = entry
            sparse.holeBytes = entry.size - min(entry.size, content.stored)
            return (sparse, content)
        }
    }

    // MARK: Headers that describe others

    private func readName(_ header: TarHeader) throws(ArchiveError) -> [UInt8] {
        let offset = blocks.offset
        // One more for the NUL at the end.
        let name = Array(try readBody(header, limit: limits.nameBytes + 1).prefix { $0 != 0 })
        guard !name.isEmpty else { throw failure(.invalid, "an empty long name", offset) }
        return name
    }

    private func read(_ header: TarHeader, into records: inout PaxRecords, isGlobal: Bool)
        throws(ArchiveError)
    {
        let offset = blocks.offset
        let body = try readBody(header, limit: limits.extendedHeaderBytes)
        do { try records.apply(body, isGlobal: isGlobal, limits: limits) } catch {
            throw error.located(name, path: nil, offset: offset)
        }
    }

    /// Reads a header's body with its padding.
    private func readBody(_ header: TarHeader, limit: Int) throws(ArchiveError) -> [UInt8] {
        let offset = blocks.offset
        guard let size = header.size, size >= 0 else {
            throw failure(.invalid, "its size is no number in range", offset)
        }
        guard size <= limit else {
            throw failure(.limitExceeded, "an extended header of \(size) bytes; \(limit) are allowed", offset)
        }
        blocks.consume(TarHeader.size)
        var body: [UInt8] = []
        while body.count < Int(size) {
            let bytes = try blocks.take(UInt64(Int(size) - body.count))
            if bytes.isEmpty { break }
            body.append(contentsOf: bytes)
        }
        let padding = TarContent.padding(UInt64(size))
        guard body.count == Int(size), try blocks.skip(padding) == padding else {
            throw failure(
                .truncated,
                "the archive ends in the middle of an extended header; copy the file again",
                offset
            )
        }
        return body
    }

    // MARK: The end

    private func endOfStream(_ rest: Int, after extended: ExtendedHeaders) throws(ArchiveError)
        -> EndOfArchive
    {
        guard blocks.offset > 0 else {
            let size = rest == 0 ? "it is empty" : "it has only \(rest) bytes"
            throw ArchiveError(
                .notATar,
                "\(name) is not a tar archive: \(size); copy the file again or remove it"
            )
        }
        guard rest == 0, extended.isEmpty else {
            throw failure(
                .truncated,
                "the archive ends in the middle of an entry's headers; copy the file again",
                blocks.offset
            )
        }
        return .missing
    }

    /// The end at a block of zeros, which another one or the end of the stream follows.
    private func endBlocks(after extended: ExtendedHeaders) throws(ArchiveError) -> EndOfArchive {
        let offset = blocks.offset
        guard extended.isEmpty else {
            throw failure(.invalid, "the archive ends after an extended header without its entry", offset)
        }
        blocks.consume(TarHeader.size)
        let second = try blocks.peek(TarHeader.size)
        guard second.count == TarHeader.size else {
            if offset > 0, second.allSatisfy({ $0 == 0 }) { return .missing }
            throw ArchiveError(.notATar, "\(name) is not a tar archive: it does not begin with a tar header")
        }
        guard TarHeader(second).isZero else {
            throw failure(
                .invalid,
                "a lone block of zeros is followed by more; the archive is damaged there",
                offset
            )
        }
        blocks.consume(TarHeader.size)
        return .blocks
    }

    private func noHeader() -> ArchiveError {
        guard blocks.offset > 0 else {
            return ArchiveError(
                .notATar,
                "\(name) is not a tar archive, plain or compressed with gzip, zstd, xz, bzip2 or LZ4: "
                    + "it does not begin with a tar header; check what the file is"
            )
        }
        return failure(.checksum, "the header's checksum is wrong; copy the file again", blocks.offset)
    }

    private func failure(_ code: ArchiveError.Code, _ reason: String, _ offset: UInt64) -> ArchiveError {
        let place = previous.map { " after the entry '\(printable($0))'" } ?? ""
        return ArchiveError(code, "\(name): header at byte \(offset)\(place): \(reason)")
    }
}
