import CShims
import Glibc
public import SystemPackage

extension File {
    /// Copies the whole content to a new file: shared where the file system can, else by the kernel, else by reading.
    ///
    /// - Throws: ``FileError``; `CancellationError`, looked at every 64 MiB.
    public func copy(to path: FilePath, _ cancellation: Cancellation) throws {
        let target = try File(path, .readWrite, options: [.create, .exclusiveCreate])
        if shim_clone_file(descriptor.rawValue, target.descriptor.rawValue) == 0 { return }
        let size = try status().size
        var offset: UInt64 = 0
        while offset < size {
            try cancellation.check()
            let count = shim_copy_file_range(
                descriptor.rawValue,
                off_t(offset),
                target.descriptor.rawValue,
                off_t(offset),
                Int(min(size - offset, 64 << 20))
            )
            guard count > 0 else {
                // Not on this file system, or not between these two: then by hand.
                let code = Errno(rawValue: Glibc.errno)
                if count < 0, code == .interrupted { continue }
                let unable: [Errno] = [.improperLink, .invalidArgument, .notSupported, .noFunction]
                guard count == 0 || unable.contains(code) else {
                    throw FileError("copy to \(path)", self.path, code)
                }
                return try copyByHand(to: target, from: offset, cancellation)
            }
            offset += UInt64(count)
        }
    }

    private func copyByHand(to target: File, from start: UInt64, _ cancellation: Cancellation) throws {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 4096)
        defer { buffer.deallocate() }
        var offset = start
        while true {
            try cancellation.check()
            let count = try read(into: buffer, at: offset)
            if count == 0 { return }
            try target.writeAll(UnsafeRawBufferPointer(rebasing: buffer[..<count]), at: offset)
            offset += UInt64(count)
        }
    }
}
