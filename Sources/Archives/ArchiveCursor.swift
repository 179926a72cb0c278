import Host
import Synchronization

/// Reads members of a compressed tar file in the order in which they lie, through one stream: whoever reads a member
/// takes the stream and hands it on. One that needs what has passed already, or comes while another reads, opens the
/// file anew: any order is right, the order of the offsets decompresses the file once.
final class ArchiveCursor: Sendable {
    /// A decompressed stream and how much of it was read.
    ///
    /// `@unchecked Sendable`: it lies in the lock, or belongs to the one reader that took it out.
    private final class Stream: @unchecked Sendable {
        let source: DecompressingSource
        var position: UInt64 = 0

        init(_ file: File, _ name: String) {
            source = DecompressingSource(FileRangeSource(file: file), name: name)
        }

        /// Reads on; 0 at the end of the archive.
        func read(into buffer: UnsafeMutableRawBufferPointer) throws(ArchiveError) -> Int {
            let count = try source.read(into: buffer)
            position += UInt64(count)
            return count
        }
    }

    private let file: File
    private let name: String
    private let idle = Mutex<Stream?>(nil)

    init(file: File, name: String) {
        self.file = file
        self.name = name
    }

    /// A stream that has not passed an offset.
    private func take(before offset: UInt64) -> Stream {
        let stream = idle.withLock { idle in
            defer { idle = nil }
            return idle
        }
        if let stream, stream.position <= offset { return stream }
        return Stream(file, name)
    }

    private func handOn(_ stream: Stream) { idle.withLock { $0 = stream } }

    /// The bytes of one member.
    final class MemberSource: ByteSource {
        private let cursor: ArchiveCursor
        private let layer: ArchivedLayer
        private let cancellation: Cancellation?
        private var stream: Stream?
        private var rest: UInt64
        private var failure: ArchiveError?

        init(_ cursor: ArchiveCursor, _ layer: ArchivedLayer, cancellation: Cancellation?) {
            self.cursor = cursor
            self.layer = layer
            self.cancellation = cancellation
            rest = layer.size
        }

        deinit { if let stream, failure == nil { cursor.handOn(stream) } }

        func read(into buffer: UnsafeMutableRawBufferPointer) throws(ArchiveError) -> Int {
            if let failure { throw failure }
            do { return try readOn(into: buffer) } catch {
                failure = error
                throw error
            }
        }

        private func readOn(into buffer: UnsafeMutableRawBufferPointer) throws(ArchiveError) -> Int {
            guard rest > 0 else { return 0 }
            let stream = if let stream { stream } else { try begin() }
            let count = try advance(stream, into: buffer.prefix(Int(clamping: rest)))
            rest -= UInt64(count)
            if rest == 0 {
                self.stream = nil
                cursor.handOn(stream)
            }
            return count
        }

        /// Takes a stream and passes over what lies before the member.
        private func begin() throws(ArchiveError) -> Stream {
            let stream = cursor.take(before: layer.offset)
            self.stream = stream
            let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 256 << 10, alignment: 64)
            defer { buffer.deallocate() }
            while stream.position < layer.offset {
                _ = try advance(
                    stream,
                    into: buffer.prefix(Int(clamping: layer.offset - stream.position))
                )
            }
            return stream
        }

        private func advance(
            _ stream: Stream,
            into buffer: Slice<UnsafeMutableRawBufferPointer>
        ) throws(ArchiveError) -> Int {
            if let cancellation, cancellation.isCancelled { throw .cancelled(cursor.name) }
            let count = try stream.read(into: UnsafeMutableRawBufferPointer(rebasing: buffer))
            guard count > 0 else { throw ends() }
            return count
        }

        private func ends() -> ArchiveError {
            ArchiveError(.truncated, "\(cursor.name): '\(printable(layer.path.utf8))' ends early")
        }
    }
}
