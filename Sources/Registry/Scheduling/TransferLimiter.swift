import Synchronization

/// Bounds how much runs at once, in all and per registry, and is fair between registries: a free place goes to the
/// registry that has waited longest since it was last served, within it to who came first.
final class TransferLimiter: Sendable {
    private struct Waiter {
        let id: UInt64
        let continuation: CheckedContinuation<Bool, Never>
    }

    private struct State {
        var running = 0
        var runningAt: [String: Int] = [:]
        var waiting: [String: [Waiter]] = [:]
        /// Registries with waiters, the next to be served first.
        var turns: [String] = []
        var nextID: UInt64 = 0
        var cancelled: Set<UInt64> = []
    }

    private let limit: Int
    private let limitPerRegistry: Int
    private let state = Mutex(State())

    init(limit: Int, perRegistry: Int) {
        self.limit = max(1, limit)
        limitPerRegistry = max(1, perRegistry)
    }

    /// How many wait.
    var waiting: Int { state.withLock { $0.waiting.values.reduce(0) { $0 + $1.count } } }

    /// Waits for a place, which is given back when the permit goes.
    ///
    /// - Throws: `CancellationError` when the task is cancelled while it waits.
    func permit(for registry: String) async throws(CancellationError) -> TransferPermit {
        let id = state.withLock { state in
            state.nextID += 1
            return state.nextID
        }
        let isGranted = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let verdict: Bool? = state.withLock { state in
                    if state.cancelled.remove(id) != nil || Task.isCancelled { return false }
                    if state.waiting[registry] == nil, hasPlace(for: registry, state) {
                        take(registry, &state)
                        return true
                    }
                    if state.waiting[registry] == nil { state.turns.append(registry) }
                    state.waiting[registry, default: []].append(Waiter(id: id, continuation: continuation))
                    return nil
                }
                if let verdict { continuation.resume(returning: verdict) }
            }
        } onCancel: {
            cancel(id, registry)
        }
        _ = state.withLock { $0.cancelled.remove(id) }
        guard isGranted else { throw CancellationError() }
        return TransferPermit { [weak self] in self?.release(registry) }
    }

    private func hasPlace(for registry: String, _ state: State) -> Bool {
        state.running < limit && state.runningAt[registry, default: 0] < limitPerRegistry
    }

    private func take(_ registry: String, _ state: inout State) {
        state.running += 1
        state.runningAt[registry, default: 0] += 1
    }

    private func release(_ registry: String) {
        let next: [Waiter] = state.withLock { state in
            state.running -= 1
            state.runningAt[registry, default: 1] -= 1
            if state.runningAt[registry] == 0 { state.runningAt[registry] = nil }
            return serve(&state)
        }
        for waiter in next { waiter.continuation.resume(returning: true) }
    }

    /// Gives free places away.
    private func serve(_ state: inout State) -> [Waiter] {
        var served: [Waiter] = []
        while let turn = state.turns.firstIndex(where: { hasPlace(for: $0, state) }) {
            let registry = state.turns.remove(at: turn)
            guard var queue = state.waiting[registry], !queue.isEmpty else { continue }
            served.append(queue.removeFirst())
            take(registry, &state)
            state.waiting[registry] = queue.isEmpty ? nil : queue
            if !queue.isEmpty { state.turns.append(registry) }
        }
        return served
    }

    private func cancel(_ id: UInt64, _ registry: String) {
        let waiter: Waiter? = state.withLock { state in
            guard var queue = state.waiting[registry], let index = queue.firstIndex(where: { $0.id == id })
            else {
                state.cancelled.insert(id)
                return nil
            }
            let waiter = queue.remove(at: index)
            state.waiting[registry] = queue.isEmpty ? nil : queue
            if queue.isEmpty { state.turns.removeAll { $0 == registry } }
            return waiter
        }
        waiter?.continuation.resume(returning: false)
    }
}

/// A place that is given back when this value goes.
final class TransferPermit: Sendable {
    private let giveBack: @Sendable () -> Void

    init(_ giveBack: @escaping @Sendable () -> Void) { self.giveBack = giveBack }

    deinit { giveBack() }
}
