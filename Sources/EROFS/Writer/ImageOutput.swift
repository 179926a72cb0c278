import Glibc
import Host

/// Appends to a region of the image through a large buffer, and patches what was written before.
final class ImageOutput {
    private static let capacity = 1 << 20

    /// Less than this is read and written with what is around it; more is copied by the kernel.
    private static let leastCopy = 128 << 10

    private let file: File
    /// The file offset up to which there may be bytes.
    private let end: UInt64
    private let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: capacity, alignment: 4096)
    private var used = 0
    /// The file offset of the buffer's first byte.
    private var start: UInt64
    /// What follows the buffer and is to be copied from another file: stretches that lie one behind the other there
    /// become one.
    private var pending: (source: File, range: Range<UInt64>)?

    /// - Parameter maximum: how many bytes may come; nil for as many as the file system takes.
    init(file: File, at offset: UInt64, maximum: UInt64? = nil) {
        self.file = file
        start = offset
        let (sum, overflow) = offset.addingReportingOverflow(maximum ?? .max)
        end = overflow ? .max : sum
    }

    deinit { buffer.deallocate() }

    /// The file offset that the next byte gets.
    var position: UInt64 { start + UInt64(used) + UInt64(pending?.range.count ?? 0) }

    /// Appends whole blocks of another file.
    func append(_ range: Range<UInt64>, of source: File) throws(EROFSError) {
        if let last = pending, last.source === source, last.range.upperBound == range.lowerBound {
            pending = (source, last.range.lowerBound..<range.upperBound)
        } else {
            try copyPending()
            pending = (source, range)
        }
    }

    /// Has what is to be copied in the buffer or in the file.
    private func copyPending() throws(EROFSError) {
        guard let (source, range) = pending else { return }
        pending = nil
        if range.count < Self.leastCopy {
            if range.count > Self.capacity - used { try flush() }
            try source.readFully(
                UnsafeMutableRawBufferPointer(rebasing: buffer[used..<used + range.count]),
                at: range.lowerBound
            )
            used += range.count
        } else {
            try flush()
            try admit(start + UInt64(range.count))
            do { try source.copy(range, to: file, at: start) } catch { throw .file(error) }
            start += UInt64(range.count)
        }
    }

    func append(_ bytes: UnsafeRawBufferPointer) throws(EROFSError) {
        try copyPending()
        if bytes.count > Self.capacity - used { try flush() }
        if bytes.count >= Self.capacity / 4 && used == 0 {
            try write(bytes, at: start)
            start += UInt64(bytes.count)
        } else if !bytes.isEmpty {
            UnsafeMutableRawBufferPointer(rebasing: buffer[used...]).copyMemory(from: bytes)
            used += bytes.count
        }
    }

    /// Appends zeros up to the next block.
    func padToBlock() throws(EROFSError) {
        try copyPending()
        let end = align(position, to: UInt64(Format.blockSize))
        let count = Int(end - position)
        if count > Self.capacity - used { try flush() }
        if count > 0 { memset(buffer.baseAddress.unsafelyUnwrapped + used, 0, count) }
        used += count
    }

    /// Leaves `count` bytes to be written later, and returns their offset. Until then they read as zeros.
    func reserve(_ count: UInt64) throws(EROFSError) -> UInt64 {
        try flush()
        defer { start += count }
        return start
    }

    /// Writes at any offset below the position, into the buffer where it is still there.
    func patch(_ bytes: UnsafeRawBufferPointer, at offset: UInt64) throws(EROFSError) {
        try copyPending()
        if offset >= start {
            let inside = Int(offset - start)
            UnsafeMutableRawBufferPointer(rebasing: buffer[inside..<used]).copyMemory(from: bytes)
        } else if offset + UInt64(bytes.count) <= start {
            try write(bytes, at: offset)
        } else {
            try flush()
            try write(bytes, at: offset)
        }
    }

    func flush() throws(EROFSError) {
        try copyPending()
        guard used > 0 else { return }
        try write(UnsafeRawBufferPointer(rebasing: buffer[..<used]), at: start)
        start += UInt64(used)
        used = 0
    }

    private func admit(_ newEnd: UInt64) throws(EROFSError) {
        guard newEnd <= end else { throw .limitExceeded("its data comes to more bytes than it may have") }
    }

    private func write(_ bytes: UnsafeRawBufferPointer, at offset: UInt64) throws(EROFSError) {
        try admit(offset + UInt64(bytes.count))
        do { try file.writeAll(bytes, at: offset) } catch { throw .file(error) }
    }
}
