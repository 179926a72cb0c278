import OCI
import Registry
import Synchronization

/// Adds up how far the layers of a pull have come, and tells.
final class PullProgress: Sendable {
    private let tracker: any Tracker
    private let sizes: [UInt64]
    private let total: UInt64
    private let done: Mutex<[UInt64]>

    init(_ layers: [RemoteLayer], _ tracker: any Tracker) {
        self.tracker = tracker
        sizes = layers.map(\.descriptor.size)
        total = sizes.reduce(0) { $0 &+ $1 }
        done = Mutex(sizes.map { _ in 0 })
        tell(0)
    }

    /// So many bytes of a layer are read.
    func note(_ bytes: UInt64, ofLayer position: Int) {
        let sum = done.withLock { done in
            done[position] = min(max(done[position], bytes), sizes[position])
            return done.reduce(0) { $0 &+ $1 }
        }
        tell(sum)
    }

    /// A layer is in the store.
    func finish(layer position: Int) { note(sizes[position], ofLayer: position) }

    private func tell(_ bytes: UInt64) {
        tracker.report(ProgressEvent(phase: .pull, layers: sizes.count, bytes: bytes, total: total))
    }
}
