import Archives
import Host
import OCI
import Synchronization
import SystemPackage

/// What comes through a pipe: its digest is taken as it passes, and it stops while the disk has no room for what is made
/// of it. How much will come nobody knows, so no room can be set aside before.
///
/// `@unchecked Sendable`: one thread reads, and the digest is asked for once that thread has seen the end.
final class PipeSource: ByteSource, @unchecked Sendable {
    /// The room on the disk.
    struct Room: Sendable {
        /// Lies on the file system that is written to.
        var path: FilePath
        /// Bytes that stay free.
        var reserve: UInt64
    }

    private let file: File
    private let source: DigestingSource
    private let room: Room
    private let count = Atomic<UInt64>(0)
    private var checked: UInt64 = 0

    /// So many bytes are taken between two looks at the free space.
    private static let step: UInt64 = 64 << 20

    /// Reads a pipe from where it is.
    init(_ file: File, room: Room, cancellation: Cancellation) {
        self.file = file
        source = DigestingSource(FileSource(file: file, cancellation: cancellation))
        self.room = room
    }

    /// How many bytes came.
    var bytes: UInt64 { count.load(ordering: .relaxed) }

    /// The digest of all bytes, once the end was read. To be called once.
    func digest() -> Digest { source.finish().digest }

    func read(into buffer: UnsafeMutableRawBufferPointer) throws(ArchiveError) -> Int {
        if bytes - checked >= Self.step {
            checked = bytes
            try checkRoom()
        }
        let count = try source.read(into: buffer)
        self.count.wrappingAdd(UInt64(count), ordering: .relaxed)
        return count
    }

    private func checkRoom() throws(ArchiveError) {
        let free: UInt64
        do { free = try FileSystemStatus.of(room.path).availableBytes } catch { throw ArchiveError(error) }
        guard free < room.reserve else { return }
        throw ArchiveError(
            .noSpace,
            "\(file.path) goes on, but only \(free >> 20) MiB are free at \(room.path), less than the reserve of "
                + "\(room.reserve >> 20) MiB (store.reserve)",
            isTransient: true
        )
    }
}
