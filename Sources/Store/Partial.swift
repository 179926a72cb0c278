public import Host
public import OCI
public import SystemPackage

/// A download that may be resumed: a file under the digest of the bytes it is to hold, and the right to write it.
///
/// The right is a lock on a file of its own beside it, so that the download itself may be removed and made anew by who
/// has the right. The kernel gives the lock up when the owner dies; what was downloaded stays for the next.
public final class Partial: Sendable {
    /// The file; there once something was downloaded.
    public let path: FilePath
    private let lock: File

    init(path: FilePath, lock: File) {
        self.path = path
        self.lock = lock
    }

    deinit {
        // Under the lock, so that whoever has it has the file that lies there. One that stays is swept later.
        _ = try? Directory.unlink(lock.path)
    }

    /// Removes the download: its bytes are in the store, or worth nothing.
    public func remove() throws(FileError) { try Directory.unlink(path) }

    static let lockEnding = ".lock"

    /// Takes the right to the download at `path`; nil while another has it.
    static func lock(_ path: FilePath) throws(FileError) -> Partial? {
        let name = FilePath(path.string + lockEnding)
        let file = try File(
            name,
            .readWrite,
            options: [.create, .noFollow],
            permissions: FilePermissions(rawValue: 0o640)
        )
        guard try file.tryLock() else { return nil }
        // The lock counts only on the file that still lies there: its old owner may have removed it meanwhile.
        let mine = try file.status()
        guard let present = try FileStatus.of(name), present.inode == mine.inode,
            present.device == mine.device
        else { return nil }
        return Partial(path: path, lock: file)
    }
}

extension Store {
    /// Takes the right to download a blob into ``StoreLayout/partial``.
    ///
    /// - Parameter digest: of the bytes as they are downloaded, often compressed.
    /// - Returns: nil while another task or process has it: when it is done, the layer may be in the store.
    public func lockPartial(_ digest: Digest) async throws -> Partial? {
        let path = layout.partial.appending(digest.hex)
        return try await translating {
            try await onThread(named: "lock-partial") { _ in try Partial.lock(path) }
        }
    }
}
