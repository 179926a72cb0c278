public import OCI

/// Decompresses a stream, the format told by its first bytes; one that is not compressed passes through.
///
/// All members of a stream are read to its end. Truncation anywhere, a wrong checksum, and bytes after the last
/// member are errors (zero bytes after gzip, which tapes leave behind, are not).
public final class DecompressingSource: ByteSource {
    private enum State { case undetected, plain, betweenMembers, inMember, ended }

    private let upstream: any ByteSource
    private let name: String
    private let limits: DecompressionLimits
    private let input = UnsafeMutableRawBufferPointer.allocate(byteCount: 256 << 10, alignment: 64)
    /// The unread part of `input`.
    private var unread = 0..<0
    private var state = State.undetected
    private var decoder: (any Decoder)?
    private var failure: ArchiveError?
    private var hasMembers = false
    private var consumed: UInt64 = 0
    /// Of the compressed bytes.
    private let digest: SHA256?
    private var produced: UInt64 = 0

    /// How the stream is compressed; nil until something was read.
    public private(set) var compression: Compression?

    /// Decompresses `upstream`; `name` names it in errors.
    ///
    /// - Parameter isDigesting: whether to take the SHA-256 of compressed bytes.
    public init(
        _ upstream: any ByteSource,
        name: String,
        limits: DecompressionLimits = .default,
        isDigesting: Bool = false
    ) {
        digest = isDigesting ? SHA256() : nil
        self.upstream = upstream
        self.name = name
        self.limits = limits
    }

    deinit { input.deallocate() }

    /// The SHA-256 of the compressed bytes, once all are read; nil of a stream that is not compressed, whose bytes are
    /// those that it gave. To be called once.
    public func finishDigest() -> Digest? {
        guard let digest, let compression, compression != .none else { return nil }
        return digest.finalize()
    }

    /// Decompresses the next bytes.
    public func read(into buffer: UnsafeMutableRawBufferPointer) throws(ArchiveError) -> Int {
        if let failure { throw failure }
        do { return try decompress(into: buffer) } catch {
            failure = error
            throw error
        }
    }

    private func decompress(into output: UnsafeMutableRawBufferPointer) throws(ArchiveError) -> Int {
        while true {
            switch state {
            case .undetected: try detect()
            case .ended: return 0
            case .plain: return try pass(into: output)
            case .betweenMembers: state = try beginMember() ? .inMember : .ended
            case .inMember:
                let count = try decode(into: output)
                if count > 0 { return count }
            }
        }
    }

    private func detect() throws(ArchiveError) {
        try fill(Compression.magicLength)
        let compression = Compression.detect(UnsafeRawBufferPointer(rebasing: input[unread]))
        self.compression = compression
        if compression != .none { digest?.update(UnsafeRawBufferPointer(rebasing: input[unread])) }
        do {
            decoder =
                switch compression {
                case .none: nil
                case .gzip: GzipDecoder()
                case .zstd: try ZstdDecoder(windowBytes: limits.windowBytes)
                case .xz: XZDecoder(windowBytes: limits.windowBytes)
                case .bzip2: BZip2Decoder()
                case .lz4: try LZ4Decoder()
                }
        } catch { throw located(error) }
        state = decoder == nil ? .plain : .betweenMembers
    }

    private func pass(into output: UnsafeMutableRawBufferPointer) throws(ArchiveError) -> Int {
        guard !unread.isEmpty else {
            let count = try upstream.read(into: output)
            try account(produced: count, consumed: count)
            return count
        }
        let count = min(output.count, unread.count)
        output.copyMemory(from: UnsafeRawBufferPointer(rebasing: input[unread.prefix(count)]))
        unread = unread.dropFirst(count)
        try account(produced: count, consumed: count)
        return count
    }

    /// Puts out some bytes of the member; 0 when it needs another turn.
    private func decode(into output: UnsafeMutableRawBufferPointer) throws(ArchiveError) -> Int {
        guard let decoder else { return 0 }
        let progress: DecoderProgress
        do {
            progress = try decoder.decode(UnsafeRawBufferPointer(rebasing: input[unread]), into: output)
        } catch { throw located(error) }
        unread = unread.dropFirst(progress.consumed)
        try account(produced: progress.produced, consumed: progress.consumed)
        if progress.isMemberComplete {
            state = .betweenMembers
        } else if progress.produced == 0 {
            if unread.isEmpty {
                guard try fill(1) else {
                    throw located(
                        DecoderFailure(.truncated, "the stream ends in the middle; \(Self.sendAgain)")
                    )
                }
            } else if progress.consumed == 0 {
                throw located(DecoderFailure(.invalid, "the data leads nowhere"))
            }
        }
        return progress.produced
    }

    /// Finds the next member: false at the stream's end.
    private func beginMember() throws(ArchiveError) -> Bool {
        guard let decoder else { return false }
        var mayContinue = true
        if hasMembers {
            switch decoder.padding {
            case .forbidden: break
            case .toTheEnd: mayContinue = try skipZeros() == 0
            case .groupsOfFour:
                guard try skipZeros() % 4 == 0 else {
                    throw located(DecoderFailure(.invalid, "the padding is not a multiple of four bytes"))
                }
            }
        }
        try fill(decoder.prefixLength)
        if unread.isEmpty { return false }
        do {
            let prefix = UnsafeRawBufferPointer(rebasing: input[unread])
            if mayContinue, try decoder.begin(prefix) {
                hasMembers = true
                return true
            }
        } catch { throw located(error) }
        throw located(
            DecoderFailure(
                .trailingGarbage,
                "bytes follow the end of the compressed stream that are no part of it; \(Self.sendAgain)"
            )
        )
    }

    private func skipZeros() throws(ArchiveError) -> UInt64 {
        var count: UInt64 = 0
        while true {
            let zeros = input[unread].prefix { $0 == 0 }.count
            unread = unread.dropFirst(zeros)
            consumed += UInt64(zeros)
            count += UInt64(zeros)
            guard unread.isEmpty, try fill(1) else { return count }
        }
    }

    /// Makes at least `count` bytes of input available: false when the stream has fewer left.
    @discardableResult
    private func fill(_ count: Int) throws(ArchiveError) -> Bool {
        if unread.count >= count { return true }
        input.copyMemory(from: UnsafeRawBufferPointer(rebasing: input[unread]))
        unread = 0..<unread.count
        while unread.count < count {
            let read = try upstream.read(
                into: UnsafeMutableRawBufferPointer(rebasing: input[unread.upperBound...])
            )
            if read == 0 { return false }
            if state != .undetected {
                digest?.update(
                    UnsafeRawBufferPointer(rebasing: input[unread.upperBound..<unread.upperBound + read])
                )
            }
            unread = 0..<unread.upperBound + read
        }
        return true
    }

    private func account(produced more: Int, consumed taken: Int) throws(ArchiveError) {
        produced += UInt64(more)
        consumed += UInt64(taken)
        if let limit = limits.outputBytes, produced > limit {
            throw exceeds("it unpacks to more than the \(limit) bytes allowed", limits.outputSetting)
        }
        if let ratio = limits.expansionRatio, produced > 64 << 20, produced / max(1, ratio) > consumed {
            throw exceeds("it unpacks to more than \(ratio) times its size", limits.expansionSetting)
        }
    }

    private func exceeds(_ what: String, _ setting: String?) -> ArchiveError {
        located(DecoderFailure(.limitExceeded, what + (setting.map { " (\($0))" } ?? "")))
    }

    private func located(_ failure: DecoderFailure) -> ArchiveError {
        let format = compression.map { $0 == .none ? "" : "\($0.rawValue) " } ?? ""
        return ArchiveError(failure.code, "\(name): \(format)stream at byte \(consumed): \(failure.reason)")
    }

    private static let sendAgain = "copy the file again"
}
