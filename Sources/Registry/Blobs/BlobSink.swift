import Synchronization

/// Takes the body of one response of a blob into a channel, from a byte of the blob on.
///
/// Unchecked: `offset`, `size` and `channel` never change; everything else is behind `state`'s lock.
final class BlobSink: BodySink {
    /// Why a response was not taken although its status was good.
    enum Refusal: Sendable, Equatable {
        /// The server does not play along with ranges: it sent others than were asked for.
        case range(String)
        /// It promises or sends another number of bytes.
        case size(UInt64)
        /// The reader has gone.
        case abandoned
        /// One stream is too slow: the rest is to come in ranges.
        case split
    }

    private struct State {
        var resume: @Sendable () -> Void = {}
        var skip: UInt64 = 0
        var taken: UInt64 = 0
        var refusal: Refusal?
    }

    private let channel: ByteChannel
    private let offset: UInt64
    private let size: UInt64
    private let mayBeSplit: @Sendable (_ rest: UInt64) -> Bool
    private let state = Mutex(State())

    /// - Parameters:
    ///   - offset: The byte of the blob that goes into the channel next.
    ///   - size: Bytes of the whole blob.
    ///   - mayBeSplit: Asked as bytes arrive whether the rest, so many bytes, should come in ranges instead.
    init(
        into channel: ByteChannel,
        at offset: UInt64,
        of size: UInt64,
        mayBeSplit: @escaping @Sendable (_ rest: UInt64) -> Bool = { _ in false }
    ) {
        self.mayBeSplit = mayBeSplit
        self.channel = channel
        self.offset = offset
        self.size = size
    }

    /// Why the response was refused, if it was.
    var refusal: Refusal? { state.withLock { $0.refusal } }

    func attach(resume: @escaping @Sendable () -> Void) { state.withLock { $0.resume = resume } }

    func accepts(_ head: HTTPHead) -> Bool {
        state.withLock { state in
            switch head.status {
            case 200:
                if let length = head.headers.contentLength, length != size {
                    state.refusal = .size(length)
                    return true
                }
                // The whole blob although the rest was asked for: what is there already passes by.
                state.skip = offset
                return true
            case 206:
                let text = head.headers["content-range"] ?? ""
                guard let range = ContentRange(text), range.first == offset, range.total ?? size == size
                else {
                    state.refusal = .range(text)
                    return true
                }
                return true
            default: return false
            }
        }
    }

    func receive(_ bytes: UnsafeRawBufferPointer) -> Reception {
        state.withLock { state in
            if state.refusal != nil { return .refused }
            let passing = Int(min(state.skip, UInt64(bytes.count)))
            let rest = UnsafeRawBufferPointer(rebasing: bytes[passing...])
            guard offset + state.taken + UInt64(rest.count) <= size else {
                state.refusal = .size(offset + state.taken + UInt64(rest.count))
                return .refused
            }
            if !rest.isEmpty {
                switch channel.put(rest, whenFree: state.resume) {
                case .taken: break
                case .full: return .full
                case .refused:
                    state.refusal = .abandoned
                    return .refused
                }
            }
            state.skip -= UInt64(passing)
            state.taken += UInt64(rest.count)
            if mayBeSplit(size - offset - state.taken) { state.refusal = .split }
            return .taken
        }
    }
}
