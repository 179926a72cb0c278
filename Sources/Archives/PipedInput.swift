import Synchronization

/// What comes through a pipe: an archive of images, or a tar that is a layer. Told by the first entries, which are read
/// again by whoever reads what it is.
public enum PipedInput {
    /// An archive of images.
    case images(ArchiveStream)
    /// Anything else: a root file system's tar, or what is no tar at all.
    case layer(PipedLayer)

    /// Bytes that are looked at.
    private static let prefixLimit = 16 << 20

    /// Looks at the beginning of a stream.
    ///
    /// - Throws: ``ArchiveError`` when it cannot be read.
    public init(_ source: any ByteSource, name: String, limits: ArchiveLimits) throws(ArchiveError) {
        let start = RewindableSource(source, limit: Self.prefixLimit)
        let hasImages: Bool
        do throws(ArchiveError) { hasImages = try ImageArchive.beginsLikeImages(start, name) } catch {
            guard error.code != .io, error.code != .cancelled else { throw error }
            // Whoever reads it finds that out.
            hasImages = false
        }
        start.rewind()
        self =
            hasImages
            ? .images(ArchiveStream(start, name: name, limits: limits)) : .layer(PipedLayer(start))
    }
}

/// A layer that comes through a pipe: read once.
///
/// `@unchecked Sendable`: the source is given to one reader only, who has it for himself.
public final class PipedLayer: @unchecked Sendable {
    private let source: any ByteSource
    private let isTaken = Mutex(false)

    init(_ source: any ByteSource) { self.source = source }

    /// The layer's bytes, for the first who asks; nil for any other.
    public func take() -> (any ByteSource)? {
        let isFirst = isTaken.withLock { isTaken in
            defer { isTaken = true }
            return !isTaken
        }
        return isFirst ? source : nil
    }
}

/// Keeps what is read of a stream until it is rewound, and gives that out again first.
private final class RewindableSource: ByteSource {
    private let upstream: any ByteSource
    private let limit: Int
    private var kept: [UInt8] = []
    private var isKeeping = true
    private var given = 0

    /// - Parameter limit: so many bytes may be read before it is rewound, and what one more read gives.
    init(_ upstream: any ByteSource, limit: Int) {
        self.upstream = upstream
        self.limit = limit
    }

    func rewind() { isKeeping = false }

    func read(into buffer: UnsafeMutableRawBufferPointer) throws(ArchiveError) -> Int {
        if isKeeping {
            guard kept.count < limit else {
                throw ArchiveError(.limitExceeded, "the first \(limit) bytes do not tell what the stream is")
            }
            let count = try upstream.read(into: buffer)
            kept += buffer[..<count]
            return count
        }
        guard given < kept.count else {
            kept = []
            given = 0
            return try upstream.read(into: buffer)
        }
        let count = min(buffer.count, kept.count - given)
        buffer.copyBytes(from: kept[given..<given + count])
        given += count
        return count
    }
}
