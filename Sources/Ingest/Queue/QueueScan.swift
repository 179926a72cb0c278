import Host
import SystemPackage

/// One look at the queue file. Blocking; changes nothing.
struct QueueScan: Sendable {
    /// How the file was found.
    enum Found: Sendable {
        /// Read whole, as it was at one moment.
        case present([UInt8], FileIdentity, File.Writers)
        /// It is what it was: not read again.
        case unchanged(FileIdentity, File.Writers)
        /// It changed while it was read.
        case changing
        /// It is not there.
        case absent
        /// It cannot be read, or must not be trusted; why.
        case refused(String)
    }

    var path: FilePath
    var allowsWorldWritable = false
    /// The file as it was read last.
    var known: FileIdentity?

    /// Reads the file if it is another than before.
    func run() -> Found {
        do throws(FileError) {
            guard let status = try FileStatus.of(path) else { return .absent }
            guard status.kind == .regular else {
                return .refused(
                    "\(path) is \(status.kind.words), not a regular file: put the file itself there"
                )
            }
            guard allowsWorldWritable || !status.permissions.contains(.otherWrite) else {
                return .refused(
                    "\(path) may be written by everyone: chmod o-w, or set queue.allowWorldWritable"
                )
            }
            return try read()
        } catch {
            switch error.errno {
            case .noSuchFileOrDirectory: return .absent
            case .fileTooLarge:
                return .refused("\(path) is larger than \(QueueFile.sizeLimit >> 20) MiB: it is no queue")
            default: return .refused("\(error)")
            }
        }
    }

    private func read() throws(FileError) -> Found {
        let file = try File.regular(path)
        let before = FileIdentity(try file.status())
        // Asked before reading: who comes later changes the identity.
        let writers = try file.writers()
        guard before != known else { return .unchanged(before, writers) }
        guard before.size <= UInt64(QueueFile.sizeLimit) else {
            throw FileError("read", path, .fileTooLarge)
        }
        var bytes = [UInt8](repeating: 0, count: Int(before.size))
        var length = 0
        while length < bytes.count {
            let start = length
            let outcome = bytes.withUnsafeMutableBytes { buffer in
                Result { () throws(FileError) in
                    try file.read(into: UnsafeMutableRawBufferPointer(rebasing: buffer[start...]))
                }
            }
            let count = try outcome.get()
            if count == 0 { break }
            length += count
        }
        // The same file, of the same content, still under its name: what was read is what lies there.
        guard length == bytes.count, FileIdentity(try file.status()) == before,
            try FileStatus.of(path).map(FileIdentity.init) == before
        else { return .changing }
        return .present(bytes, before, writers)
    }
}
