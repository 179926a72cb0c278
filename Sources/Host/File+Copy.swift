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

extension File {
    /// The parts of the file that are not holes, in order, in bytes from the start (lseek(2), SEEK_DATA). A file system
    /// that knows no holes has one part.
    public func dataExtents() throws(FileError) -> [Range<UInt64>] {
        let size = try status().size
        var extents: [Range<UInt64>] = []
        var position: UInt64 = 0
        while position < size {
            let start: Int
            do {
                start = try retryingSystemCall("seek in", path) {
                    shim_seek_data(descriptor.rawValue, off_t(position))
                }
            } catch  where error.errno == .noSuchAddressOrDevice {
                break
            }
            let end = try retryingSystemCall("seek in", path) {
                shim_seek_hole(descriptor.rawValue, off_t(start))
            }
            extents.append(UInt64(start)..<UInt64(end))
            position = UInt64(end)
        }
        return extents
    }

    /// Makes an empty file a copy of another: shared where the file system can, else part by part, with holes where the
    /// other has them.
    ///
    /// - Parameters:
    ///   - extents: the other's ``dataExtents()``.
    ///   - size: the other's size in bytes.
    public func becomeCopy(of other: File, extents: [Range<UInt64>], size: UInt64) throws(FileError) {
        if shim_clone_file(other.descriptor.rawValue, descriptor.rawValue) == 0 { return }
        try truncate(to: size)
        for extent in extents {
            var offset = extent.lowerBound
            while offset < extent.upperBound {
                let count = shim_copy_file_range(
                    other.descriptor.rawValue,
                    off_t(offset),
                    descriptor.rawValue,
                    off_t(offset),
                    Int(extent.upperBound - offset)
                )
                if count < 0, Errno(rawValue: Glibc.errno) == .interrupted { continue }
                guard count > 0 else {
                    let code = Errno(rawValue: Glibc.errno)
                    guard count == 0 || Self.copyIsUnable(code) else {
                        throw FileError("copy to \(path)", other.path, code)
                    }
                    // Not on this file system, or not between these two: then by hand.
                    try copyByHand(from: other, offset..<extent.upperBound)
                    break
                }
                offset += UInt64(count)
            }
        }
    }

    private static func copyIsUnable(_ code: Errno) -> Bool {
        [.improperLink, .invalidArgument, .notSupported, .noFunction].contains(code)
    }

    private func copyByHand(from other: File, _ extent: Range<UInt64>) throws(FileError) {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 4096)
        defer { buffer.deallocate() }
        var offset = extent.lowerBound
        while offset < extent.upperBound {
            let part = UnsafeMutableRawBufferPointer(
                rebasing: buffer[..<Int(min(UInt64(buffer.count), extent.upperBound - offset))]
            )
            let count = try other.read(into: part, at: offset)
            guard count > 0 else { throw FileError("copy", other.path, .ioError) }
            try writeAll(UnsafeRawBufferPointer(rebasing: part[..<count]), at: offset)
            offset += UInt64(count)
        }
    }

    /// Turns every whole block of 4 KiB that holds zeros only into a hole, so that copies need not carry it.
    public func digHoles() throws(FileError) {
        let block = 4096
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: block)
        defer { buffer.deallocate() }
        for extent in try dataExtents() {
            var offset = extent.lowerBound & ~UInt64(block - 1)
            while offset < extent.upperBound {
                let count = try read(into: buffer, at: offset)
                if count == 0 { break }
                var start = 0
                while start + block <= count {
                    var end = start
                    while end + block <= count, buffer[end..<end + block].allSatisfy({ $0 == 0 }) {
                        end += block
                    }
                    if end > start { try punchHole(offset + UInt64(start), length: end - start) }
                    start = end + block
                }
                offset += UInt64(count)
            }
        }
    }

    private func punchHole(_ offset: UInt64, length: Int) throws(FileError) {
        do {
            try retryingSystemCall("punch a hole in", path) {
                shim_punch_hole(descriptor.rawValue, off_t(offset), off_t(length))
            }
        } catch  where error.errno == .notSupported {
            // Zeros that take space are as good.
        }
    }
}
