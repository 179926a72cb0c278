/// Bounds how many layers are fetched at once, over all pulls of a process, and deals the places out so that no image
/// holds up another: a free place goes to the pull that has the fewest, and large layers leave one place to small ones.
actor LayerSlots {
    /// From so many bytes on a layer is large.
    static let largeSize: UInt64 = 256 << 20

    /// Tells one pull from another.
    typealias PullID = ObjectIdentifier

    private struct Waiter {
        var id: UInt64
        var pull: PullID
        var isLarge: Bool
        var continuation: CheckedContinuation<Bool, Never>
    }

    private let limit: Int
    private var running: [PullID: Int] = [:]
    /// How many layers are fetched now.
    private(set) var runningInAll = 0
    private var runningLarge = 0
    private var waiting: [Waiter] = []
    private var nextID: UInt64 = 0

    init(_ limit: Int) { self.limit = max(1, limit) }

    /// Waits for a place, runs the work, gives the place to the next.
    ///
    /// - Throws: `CancellationError` when the task is cancelled while it waits; what the work throws.
    nonisolated func run<Success: Sendable>(
        pull: PullID,
        size: UInt64,
        _ work: () async throws -> Success
    ) async throws -> Success {
        let isLarge = size >= Self.largeSize
        try await take(pull, isLarge)
        do {
            let result = try await work()
            await giveBack(pull, isLarge)
            return result
        } catch {
            await giveBack(pull, isLarge)
            throw error
        }
    }

    private func take(_ pull: PullID, _ isLarge: Bool) async throws {
        nextID += 1
        let id = nextID
        let isGranted = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                // Whoever is cancelled from here on is found among those who wait.
                guard !Task.isCancelled else { return continuation.resume(returning: false) }
                waiting.append(Waiter(id: id, pull: pull, isLarge: isLarge, continuation: continuation))
                serve()
            }
        } onCancel: {
            Task { await cancel(id) }
        }
        guard isGranted else { throw CancellationError() }
    }

    private func cancel(_ id: UInt64) {
        guard let index = waiting.firstIndex(where: { $0.id == id }) else { return }
        waiting.remove(at: index).continuation.resume(returning: false)
    }

    private func giveBack(_ pull: PullID, _ isLarge: Bool) {
        runningInAll -= 1
        if isLarge { runningLarge -= 1 }
        let left = running[pull, default: 1] - 1
        running[pull] = left == 0 ? nil : left
        serve()
    }

    private func serve() {
        while runningInAll < limit {
            let eligible = waiting.indices.filter {
                !waiting[$0].isLarge || runningLarge < max(1, limit - 1)
            }
            let next = eligible.min { load(waiting[$0].pull) < load(waiting[$1].pull) }
            guard let next else { return }
            let waiter = waiting.remove(at: next)
            runningInAll += 1
            if waiter.isLarge { runningLarge += 1 }
            running[waiter.pull, default: 0] += 1
            waiter.continuation.resume(returning: true)
        }
    }

    private func load(_ pull: PullID) -> Int { running[pull] ?? 0 }
}
