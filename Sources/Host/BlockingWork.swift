import CShims
import Glibc
import Synchronization
import SystemPackage

/// A flag that long synchronous work looks at between steps.
public final class Cancellation: Sendable {
    private let flag = Atomic<Bool>(false)

    /// A flag that is not set.
    public init() {}

    /// Asks the work to stop.
    public func cancel() { flag.store(true, ordering: .releasing) }

    /// Whether it was asked to stop.
    public var isCancelled: Bool { flag.load(ordering: .acquiring) }

    /// Throws `CancellationError` once asked to stop.
    public func check() throws(CancellationError) {
        if isCancelled { throw CancellationError() }
    }
}

/// Runs synchronous work (file I/O, compression) on a thread of its own, so that it never holds one of the few
/// threads that Swift's tasks share. Cancelling the task sets the `Cancellation` the work is given; the call
/// returns when the work has.
public func onThread<Success: Sendable>(
    named name: String,
    _ work: @escaping @Sendable (Cancellation) throws -> Success
) async throws -> Success {
    let cancellation = Cancellation()
    return try await withTaskCancellationHandler {
        try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Success, any Error>) in
            do {
                try startThread(named: name) { continuation.resume(with: Result { try work(cancellation) }) }
            } catch { continuation.resume(throwing: error) }
        }
    } onCancel: {
        cancellation.cancel()
    }
}

/// Starts a detached thread.
///
/// - Throws: ``FileError`` when the system has no thread left.
public func startThread(named name: String, _ body: @escaping @Sendable () -> Void) throws(FileError) {
    final class Box: Sendable {
        let name: String
        let body: @Sendable () -> Void
        init(_ name: String, _ body: @escaping @Sendable () -> Void) {
            self.name = name
            self.body = body
        }
    }
    var thread = pthread_t()
    let box = Unmanaged.passRetained(Box(name, body))
    let code = pthread_create(
        &thread,
        nil,
        { argument in
            guard let argument else { return nil }
            let box = Unmanaged<Box>.fromOpaque(argument).takeRetainedValue()
            // The kernel keeps 15 bytes of a thread's name.
            shim_set_thread_name(String(decoding: box.name.utf8.prefix(15), as: UTF8.self))
            box.body()
            return nil
        },
        box.toOpaque()
    )
    guard code == 0 else {
        box.release()
        throw FileError("start the thread", FilePath(name), Errno(rawValue: code))
    }
    pthread_detach(thread)
}
