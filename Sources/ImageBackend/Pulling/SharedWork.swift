/// Work that several may ask for at once and that is done once: who asks while it runs waits for its result. It is
/// cancelled when nobody waits for it any more.
actor SharedWork<Key: Hashable & Sendable, Value: Sendable> {
    private struct Job {
        var id: UInt64
        var task: Task<Void, Never>
        var waiters: [UInt64: CheckedContinuation<Value, any Error>]
    }

    private var jobs: [Key: Job] = [:]
    private var nextID: UInt64 = 0

    /// The result of the work under `key`, begun now unless it runs.
    ///
    /// - Throws: what the work throws; `CancellationError` when the caller's task is cancelled: at once while others
    ///   wait, else when the work has ended.
    func value(for key: Key, _ work: @escaping @Sendable () async throws -> Value) async throws -> Value {
        nextID += 1
        let waiter = nextID
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                guard !Task.isCancelled else {
                    return continuation.resume(throwing: CancellationError())
                }
                if jobs[key] != nil {
                    jobs[key]?.waiters[waiter] = continuation
                    return
                }
                let task = Task {
                    let result: Result<Value, any Error>
                    do { result = .success(try await work()) } catch { result = .failure(error) }
                    finish(key, waiter, result)
                }
                jobs[key] = Job(id: waiter, task: task, waiters: [waiter: continuation])
            }
        } onCancel: {
            Task { await leave(key, waiter) }
        }
    }

    private func leave(_ key: Key, _ waiter: UInt64) {
        guard let continuation = jobs[key]?.waiters.removeValue(forKey: waiter) else { return }
        guard let job = jobs[key], job.waiters.isEmpty else {
            return continuation.resume(throwing: CancellationError())
        }
        // Whoever asks from now on does not get the cancelled one. Who was the last to wait sees it end.
        jobs[key] = nil
        job.task.cancel()
        Task {
            await job.task.value
            continuation.resume(throwing: CancellationError())
        }
    }

    private func finish(_ key: Key, _ id: UInt64, _ result: Result<Value, any Error>) {
        guard let job = jobs[key], job.id == id else { return }
        jobs[key] = nil
        for continuation in job.waiters.values { continuation.resume(with: result) }
    }
}
