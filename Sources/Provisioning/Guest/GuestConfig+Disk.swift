import Documents
import EROFS
import Host
import OCI
import SystemPackage

extension GuestConfig {
    /// The serial of the disk, by which the guest finds it.
    static let serial = "slipway"

    /// The disk `slipway`: an EROFS image with `config.json` and `config.sh`, which only root of the guest may read.
    /// Every Linux since 5.4 mounts it. The same value gives the same bytes.
    ///
    /// - Throws: ``EROFSError``, `FileError`.
    public func diskImage() throws -> [UInt8] {
        let document = json.serialized(pretty: true)
        let scratch = try File.inMemory(named: "slipway.erofs")
        let writer = try ImageWriter(
            file: scratch,
            options: WriterOptions(
                compression: .none,
                guestKernel: .oldest,
                uuid: Array(Digest.sha256(of: document).bytes.prefix(16))
            )
        )
        try writer.setAttributes(Attributes(permissions: 0o500), of: writer.root)
        for (name, content) in [("config.json", document), ("config.sh", Array(shell.utf8))] {
            try writer.beginFile(
                named: name.utf8,
                in: writer.root,
                size: UInt64(content.count),
                attributes: Attributes(permissions: 0o400)
            )
            try content.withUnsafeBytes { try writer.write($0) }
            try writer.endFile()
        }
        let size = Int(try writer.finish().size)
        return try [UInt8](unsafeUninitializedCapacity: size) { buffer, count in
            while count < size {
                let rest = UnsafeMutableRawBufferPointer(
                    rebasing: UnsafeMutableRawBufferPointer(buffer)[count...]
                )
                let read = try scratch.read(into: rest, at: UInt64(count))
                guard read > 0 else { throw FileError("read", scratch.path, .ioError) }
                count += read
            }
        }
    }
}
