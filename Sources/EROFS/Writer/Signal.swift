import Dispatch

/// A counting signal between threads: each `wait` takes one `raise`.
struct Signal: Sendable {
    private let semaphore = DispatchSemaphore(value: 0)

    func raise() { semaphore.signal() }
    func wait() { semaphore.wait() }
}
