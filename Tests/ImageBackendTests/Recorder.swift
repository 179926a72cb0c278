import Synchronization

@testable import ImageBackend

/// Remembers what it hears.
final class Recorder: Tracker {
    private let heard = Mutex<[ProgressEvent]>([])

    var events: [ProgressEvent] { heard.withLock { $0 } }

    func report(_ event: ProgressEvent) { heard.withLock { $0.append(event) } }
}
