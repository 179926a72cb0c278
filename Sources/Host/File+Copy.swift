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
            let end = min(size, offset + 64 << 20)
            try copy(offset..<end, to: target, at: offset)
            offset = end
        }
    }

    /// Copies bytes into another file: shared where the file system can and both begin at whole blocks, else by the
    /// kernel, else by reading.
    ///
    /// - Throws: ``FileError``, also where the file ends before the range does.
    public func copy(_ range: Range<UInt64>, to target: File, at offset: UInt64) throws(FileError) {
        var rest = range
        while !rest.isEmpty {
            let count = shim_copy_file_range(
                descriptor.rawValue,
                off_t(rest.lowerBound),
                target.descriptor.rawValue,
                off_t(offset + (rest.lowerBound - range.lowerBound)),
                rest.count
            )
            guard count > 0 else {
                // Not on this file system, or not between these two: then by hand.
                let code = Errno(rawValue: Glibc.errno)
                if count < 0, code == .interrupted { continue }
                let unable: [Errno] = [.improperLink, .invalidArgument, .notSupported, .noFunction]
                guard count == 0 || unable.contains(code) else {
                    throw FileError("copy to \(target.path)", path, code)
                }
                return try copyByHand(rest, to: target, at: offset + (rest.lowerBound - range.lowerBound))
            }
            rest = rest.lowerBound + UInt64(count)..<rest.upperBound
        }
    }

    private func copyByHand(_ range: Range<UInt64>, to target: File, at offset: UInt64) throws(FileError) {
        let size = Int(min(UInt64(range.count), 1 << 20))
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: size, alignment: 4096)
        defer { buffer.deallocate() }
        var done: UInt64 = 0
        while done < UInt64(range.count) {
            let wanted = Int(min(UInt64(size), UInt64(range.count) - done))
            let count = try read(
                into: UnsafeMutableRawBufferPointer(rebasing: buffer[..<wanted]),
                at: range.lowerBound + done
            )
            // Whoever asks for bytes knows that they are there: the file has become shorter.
            guard count > 0 else { throw FileError("copy to \(target.path)", path, .ioError) }
            try target.writeAll(UnsafeRawBufferPointer(rebasing: buffer[..<count]), at: offset + done)
            done += UInt64(count)
        }
    }
}
