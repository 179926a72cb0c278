import Host
import SystemPackage

/// A configuration file, which may be a symbolic link: whoever writes it decides where it lies.
struct SmallFile {
    /// The most that is read.
    static let limit: UInt64 = 1 << 20

    let file: File
    let identity: FileIdentity
    private let size: UInt64

    /// Opens a file; nil when it is not there.
    init?(_ path: FilePath) throws(FileError) {
        do {
            file = try File(path, .readOnly, options: .nonBlocking)
        } catch  where error.errno == .noSuchFileOrDirectory || error.errno == .notDirectory { return nil }
        let status = try file.status()
        guard status.kind == .regular else {
            throw FileError("read as a regular file", path, .invalidArgument)
        }
        guard status.size <= Self.limit else { throw FileError("read", path, .fileTooLarge) }
        identity = FileIdentity(status)
        size = status.size
    }

    /// The whole content.
    func read() throws(FileError) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: Int(size))
        var count = 0
        while count < bytes.count {
            let outcome = bytes.withUnsafeMutableBytes { buffer in
                Result { () throws(FileError) in
                    try file.read(
                        into: UnsafeMutableRawBufferPointer(rebasing: buffer[count...]),
                        at: UInt64(count)
                    )
                }
            }
            let read = try outcome.get()
            if read == 0 { break }
            count += read
        }
        return Array(bytes.prefix(count))
    }
}
