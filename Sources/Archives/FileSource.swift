public import Host
import SystemPackage

/// An open file, pipe or device from its current position to its end.
public final class FileSource: ByteSource {
    private let file: File
    private let cancellation: Cancellation?

    /// How many bytes were read so far.
    public private(set) var bytesRead: UInt64 = 0

    /// Reads `file` until its end; `cancellation` is looked at before each read.
    public init(file: File, cancellation: Cancellation? = nil) {
        self.file = file
        self.cancellation = cancellation
    }

    /// Reads the next bytes of the file.
    public func read(into buffer: UnsafeMutableRawBufferPointer) throws(ArchiveError) -> Int {
        if let cancellation, cancellation.isCancelled { throw .cancelled(file.path.string) }
        do {
            let count = try file.read(into: buffer)
            bytesRead += UInt64(count)
            return count
        } catch { throw ArchiveError(error) }
    }
}

/// A range of a regular file. Does not move the file's position, so that several may read one file.
public final class FileRangeSource: SkippingByteSource {
    private let file: File
    private let cancellation: Cancellation?
    private var position: UInt64
    private let end: UInt64

    /// Reads `length` bytes from `offset`; less only when the file ends before.
    public init(file: File, offset: UInt64 = 0, length: UInt64 = .max, cancellation: Cancellation? = nil) {
        self.file = file
        self.cancellation = cancellation
        position = offset
        let (sum, overflow) = offset.addingReportingOverflow(length)
        // The largest offset that the kernel knows is a signed 64-bit number.
        end = min(overflow ? .max : sum, UInt64(Int64.max))
    }

    /// Reads the next bytes of the file.
    public func read(into buffer: UnsafeMutableRawBufferPointer) throws(ArchiveError) -> Int {
        if let cancellation, cancellation.isCancelled { throw .cancelled(file.path.string) }
        guard position < end else { return 0 }
        let part = UnsafeMutableRawBufferPointer(
            rebasing: buffer.prefix(Int(min(UInt64(buffer.count), end - position)))
        )
        do {
            let count = try file.read(into: part, at: position)
            position += UInt64(count)
            return count
        } catch { throw ArchiveError(error) }
    }

    func skip(_ count: UInt64) throws(ArchiveError) -> UInt64 {
        do {
            let last = min(end, try file.status().size)
            guard position < last else { return 0 }
            let skipped = min(count, last - position)
            position += skipped
            return skipped
        } catch { throw ArchiveError(error) }
    }
}
