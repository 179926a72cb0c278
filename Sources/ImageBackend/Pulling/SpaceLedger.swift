import Host
import SystemPackage

/// Lets work begin only where the disk has room for what it is going to write beyond a reserve that stays free. Work
/// for which there is no room waits while other work goes on that may need less than was set aside for it.
actor SpaceLedger {
    /// What was set aside; to be handed back once the work has ended.
    struct Claim: Sendable {
        fileprivate var bytes: UInt64
    }

    private let path: FilePath
    private let reserve: UInt64
    private let available: @Sendable (FilePath) throws(FileError) -> UInt64
    private var claimed: UInt64 = 0
    private var claims = 0
    private var waiting: [UInt64: CheckedContinuation<Void, Never>] = [:]
    private var nextID: UInt64 = 0

    /// - Parameters:
    ///   - path: lies on the file system that is written to.
    ///   - available: what tells the free bytes of it; tests put one in its place.
    init(
        path: FilePath,
        reserve: UInt64,
        available: @escaping @Sendable (FilePath) throws(FileError) -> UInt64 = {
            path throws(FileError) in try FileSystemStatus.of(path).availableBytes
        }
    ) {
        self.path = path
        self.reserve = reserve
        self.available = available
    }

    /// Sets bytes aside for work that is named in the error.
    ///
    /// - Throws: ``ImageError`` `noSpace` when there is no room and nothing runs that might make some; `cancelled`.
    func claim(_ bytes: UInt64, for what: String) async throws(ImageError) -> Claim {
        while true {
            if Task.isCancelled {
                throw ImageError(.cancelled, "stopped before \(what)", isTransient: true)
            }
            let free: UInt64
            do throws(FileError) { free = try available(path) } catch {
                throw ImageError(error, during: what)
            }
            // What runs may have written any part of what was set aside for it: all of it is still to come.
            let (needed, overflow) = bytes.addingReportingOverflow(reserve)
            let (total, overflow2) = needed.addingReportingOverflow(claimed)
            if !overflow, !overflow2, total <= free {
                claimed += bytes
                claims += 1
                return Claim(bytes: bytes)
            }
            guard claims > 0 else {
                throw ImageError(
                    .noSpace,
                    "\(what) needs about \(bytes >> 20) MiB, but only \(free >> 20) MiB are free at \(path), "
                        + "\(reserve >> 20) MiB of them the reserve (store.reserve)",
                    isTransient: true
                )
            }
            await waitForRelease()
        }
    }

    /// Returns when something was handed back, or the task is cancelled.
    private func waitForRelease() async {
        nextID += 1
        let id = nextID
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                guard !Task.isCancelled else { return continuation.resume() }
                waiting[id] = continuation
            }
        } onCancel: {
            Task { await wake(id) }
        }
    }

    private func wake(_ id: UInt64) { waiting.removeValue(forKey: id)?.resume() }

    /// Hands back what was set aside.
    func release(_ claim: Claim) {
        claimed -= claim.bytes
        claims -= 1
        let all = waiting
        waiting = [:]
        for waiter in all.values { waiter.resume() }
    }
}
