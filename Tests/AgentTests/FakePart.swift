import Agent
import Store
import Synchronization

/// A part that does what the test says and remembers that it was asked.
final class FakePart: Part {
    let name: String
    private let behaviour: @Sendable (_ pass: Int) async throws -> Outcome
    private let state = Mutex((passes: 0, isStopped: false))

    init(
        _ name: String,
        _ behaviour: @escaping @Sendable (_ pass: Int) async throws -> Outcome = { _ in Outcome() }
    ) {
        self.name = name
        self.behaviour = behaviour
    }

    var passes: Int { state.withLock { $0.passes } }
    var isStopped: Bool { state.withLock { $0.isStopped } }

    func preview(now: StoreTime) async throws -> [PlannedStep] { [] }

    func reconcile(now: StoreTime) async throws -> Outcome {
        let pass = state.withLock { state in
            state.passes += 1
            return state.passes
        }
        return try await behaviour(pass)
    }

    func stop() async { state.withLock { $0.isStopped = true } }
}

/// Something that goes wrong.
struct Fault: Error, CustomStringConvertible {
    let description: String
}

extension Outcome {
    /// An outcome with something under way.
    static var busy: Outcome {
        var outcome = Outcome()
        outcome.underway = [Finding(item: "inbox/a", code: "running", message: "it runs")]
        return outcome
    }
}
