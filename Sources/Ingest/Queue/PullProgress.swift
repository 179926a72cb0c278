import ImageBackend
import Synchronization

/// How far a pull has come.
final class PullProgress: Tracker {
    private let done = Atomic<UInt64>(0)
    private let total = Atomic<UInt64>(0)

    /// Bytes of the layers that are done, and of all of them; nil while nothing is known.
    var bytes: (done: UInt64?, total: UInt64?) {
        let all = total.load(ordering: .relaxed)
        return all == 0 ? (nil, nil) : (done.load(ordering: .relaxed), all)
    }

    func report(_ event: ProgressEvent) {
        guard event.phase == .pull else { return }
        if let all = event.total { total.store(all, ordering: .relaxed) }
        done.store(event.bytes, ordering: .relaxed)
    }
}
