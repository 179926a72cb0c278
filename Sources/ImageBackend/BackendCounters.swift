import Synchronization

/// What a backend has done since it was made.
public final class BackendCounters: Sendable {
    /// How a piece of work ended.
    public enum Result: String, Sendable, CaseIterable {
        /// Something was added to the store.
        case added
        /// The store had all of it.
        case unchanged
        case failed
        case cancelled
    }

    /// The counts as of one moment.
    public struct Values: Sendable, Hashable {
        /// Calls that import, by how they ended.
        public var imports: [Result: UInt64] = [:]
        /// Calls that pull, by how they ended.
        public var pulls: [Result: UInt64] = [:]
        /// Bytes that imports read.
        public var bytesRead: UInt64 = 0
        /// Bytes that pulls got over the network.
        public var bytesFetched: UInt64 = 0
        /// Bytes of blobs that were added.
        public var bytesAdded: UInt64 = 0
    }

    private let state = Mutex(Values())

    /// Counters that have counted nothing.
    public init() {}

    /// The counts now.
    public var values: Values { state.withLock { $0 } }

    func noteImport(of images: [Image]) {
        let reports = images.compactMap(\.imported)
        state.withLock { values in
            let added = reports.reduce(0) { $0 + $1.bytesAdded }
            values.imports[added > 0 ? .added : .unchanged, default: 0] += 1
            values.bytesRead += reports.reduce(0) { $0 + $1.bytesRead }
            values.bytesAdded += added
        }
    }

    func noteImport(_ error: ImageError) {
        state.withLock { $0.imports[error.code == .cancelled ? .cancelled : .failed, default: 0] += 1 }
    }

    func notePull(of image: Image) {
        guard let report = image.pulled else { return }
        state.withLock { values in
            values.pulls[report.isUnchanged ? .unchanged : .added, default: 0] += 1
            values.bytesFetched += report.bytesFetched
            values.bytesAdded += report.bytesAdded
        }
    }

    func notePull(_ error: ImageError) {
        state.withLock { $0.pulls[error.code == .cancelled ? .cancelled : .failed, default: 0] += 1 }
    }
}
