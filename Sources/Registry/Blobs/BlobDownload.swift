public import Archives
import Host
public import OCI
import SystemPackage

/// A blob's bytes as they arrive, verified: the stream ends only after size and digest were found to be right.
///
/// What a partial file holds from an earlier try comes first, read from there; what arrives from the registry is
/// appended to it. A connection that breaks is taken up again without the reader noticing. At most the buffer's size
/// is in memory: a reader that rests makes the registry rest.
///
/// Unchecked: a `ByteSource` is used by one thread at a time, and only ``cancel()``, which touches nothing that
/// changes, may be called beside.
public final class BlobDownload: ByteSource, @unchecked Sendable {
    /// What is fetched.
    public let descriptor: Descriptor
    /// Bytes that an earlier try left in the partial file.
    public let resumedBytes: UInt64
    /// Why `read` threw, with its stable code and how long the registry wants to be left alone; nil before.
    public private(set) var failure: RegistryError?

    private let name: String
    private let partial: File?
    private let channel: ByteChannel
    /// Holds the place among the downloads, and so goes once it was called.
    private var startFetching: (@Sendable (_ offset: UInt64) -> Task<Void, Never>)?
    private var fetching: Task<Void, Never>?
    private let hash = SHA256()
    private var position: UInt64 = 0
    private var isComplete = false
    private let cancellation: Cancellation

    /// - Parameters:
    ///   - name: Names the blob and its image in errors.
    ///   - partial: Open for reading and writing; what it holds is the blob's beginning.
    ///   - fetch: Starts to put bytes from an offset on into the channel.
    init(
        _ descriptor: Descriptor,
        name: String,
        partial: File?,
        channel: ByteChannel,
        cancellation: Cancellation,
        fetch: @escaping @Sendable (_ offset: UInt64) -> Task<Void, Never>
    ) throws(FileError) {
        self.descriptor = descriptor
        self.name = name
        self.partial = partial
        self.channel = channel
        self.cancellation = cancellation
        let there = try partial?.status().size ?? 0
        if there > descriptor.size {
            // The beginning of something else.
            try partial?.truncate(to: 0)
            resumedBytes = 0
        } else {
            resumedBytes = there
        }
        guard resumedBytes < descriptor.size else { return }
        if resumedBytes == 0 { fetching = fetch(0) } else { startFetching = fetch }
    }

    deinit { stop() }

    /// Makes the next `read` fail, and stops the transfer. May be called from anywhere.
    public func cancel() {
        cancellation.cancel()
        channel.stop()
    }

    /// Reads the next bytes; 0 only after all of them came and are what the digest promised.
    public func read(into buffer: UnsafeMutableRawBufferPointer) throws(ArchiveError) -> Int {
        if let failure { throw ArchiveError(failure) }
        do {
            let count = try next(into: buffer)
            if count > 0 {
                hash.update(UnsafeRawBufferPointer(rebasing: buffer.prefix(count)))
                position += UInt64(count)
            }
            return count
        } catch {
            failure = error
            stop()
            throw ArchiveError(error)
        }
    }

    private func next(into buffer: UnsafeMutableRawBufferPointer) throws(RegistryError) -> Int {
        if isComplete { return 0 }
        if position < resumedBytes { return try replay(into: buffer) }
        if let start = startFetching {
            fetching = start(position)
            startFetching = nil
        }
        while fetching != nil {
            guard !cancellation.isCancelled else { throw cancelled }
            switch channel.take(into: buffer) {
            case .bytes(let count):
                try append(UnsafeRawBufferPointer(rebasing: buffer.prefix(count)))
                return count
            case .failed(let error): throw error
            case .end: fetching = nil
            case .nothingYet: continue
            }
        }
        guard position == descriptor.size else {
            throw mismatch(.sizeMismatch, "ended after \(position) of \(descriptor.size) bytes")
        }
        let digest = hash.finalize()
        guard digest == descriptor.digest else {
            throw mismatch(.digestMismatch, "has the digest \(digest), not the \(descriptor.digest) promised")
        }
        isComplete = true
        return 0
    }

    private func replay(into buffer: UnsafeMutableRawBufferPointer) throws(RegistryError) -> Int {
        guard !cancellation.isCancelled else { throw cancelled }
        let rest = min(UInt64(buffer.count), resumedBytes - position)
        do {
            let part = UnsafeMutableRawBufferPointer(rebasing: buffer.prefix(Int(rest)))
            let count = try partial?.read(into: part, at: position) ?? 0
            guard count > 0 else {
                throw mismatch(.io, "has a partial file that became shorter while it was read")
            }
            return count
        } catch let error as FileError {
            throw RegistryError(error)
        } catch let error as RegistryError {
            throw error
        } catch { throw RegistryError(.io, "\(name): \(error)") }
    }

    private func append(_ bytes: UnsafeRawBufferPointer) throws(RegistryError) {
        do { try partial?.writeAll(bytes, at: position) } catch { throw RegistryError(error) }
    }

    /// The bytes are not those of the blob: whatever the partial file holds is thrown away.
    private func mismatch(_ code: RegistryError.Code, _ problem: String) -> RegistryError {
        do { try partial?.truncate(to: 0) } catch { return RegistryError(error) }
        // What an earlier try left may be at fault; what came in one piece is what the registry has.
        let isTransient = resumedBytes > 0 || code != .digestMismatch
        let advice =
            isTransient
            ? "what had arrived was thrown away, and the next try starts anew"
            : "the registry or a cache before it holds other bytes than the manifest promises: push the image again"
        return RegistryError(code, "\(name) \(problem); \(advice)", isTransient: isTransient)
    }

    private var cancelled: RegistryError {
        RegistryError(.cancelled, "\(name): stopped while it was fetched", isTransient: true)
    }

    private func stop() {
        channel.stop()
        fetching?.cancel()
    }
}

extension ArchiveError {
    /// A failed download, for whoever reads it as a stream.
    init(_ error: RegistryError) {
        let code: Code =
            switch error.code {
            case .digestMismatch: .checksum
            case .sizeMismatch: .truncated
            case .limitExceeded: .limitExceeded
            case .unsupported: .unsupported
            case .cancelled: .cancelled
            default: .io
            }
        self.init(code, error.message, isTransient: error.isTransient)
    }
}

extension RegistryError {
    /// A failed system call on a partial file.
    init(_ error: FileError) { self.init(.io, error.description, isTransient: error.isTransient) }
}
