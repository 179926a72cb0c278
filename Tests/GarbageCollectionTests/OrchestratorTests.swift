import Synchronization
import Testing

@testable import GarbageCollection

@Suite("The orchestrator")
struct OrchestratorTests {
    @Test("every module is read before any is collected, and the report tells what was done")
    func order() async throws {
        let log = Log()
        let orchestrator = Orchestrator()
        await orchestrator.register(Bin("a", ["1"], log))
        await orchestrator.register(Bin("b", ["2"], log))
        let report = try await orchestrator.run()
        #expect(log.lines == ["snapshot a", "snapshot b", "collect a", "collect b"])
        #expect(report.collected.map(\.candidate.id) == ["1", "2"])
        #expect(report.bytes == 20)
    }

    @Test("a dry run deletes nothing")
    func dryRun() async throws {
        let log = Log()
        let orchestrator = Orchestrator()
        await orchestrator.register(Bin("a", ["1"], log))
        let report = try await orchestrator.run(dryRun: true)
        #expect(report.candidates.map(\.id) == ["1"])
        #expect(report.collected.isEmpty)
        #expect(log.lines == ["snapshot a"])
    }

    @Test("one module that cannot be read stops the whole collection and is named")
    func unreadable() async throws {
        let log = Log()
        let orchestrator = Orchestrator()
        await orchestrator.register(Bin("a", ["1"], log))
        await orchestrator.register(Bin("b", ["2"], log, fails: .snapshot))
        let error = await #expect(throws: ModuleError.self) { try await orchestrator.run() }
        #expect(error?.module == "b")
        #expect(log.lines == ["snapshot a", "snapshot b"])
    }

    @Test("a module that fails to collect keeps the others from nothing, and the error carries the report")
    func failureToCollect() async throws {
        let log = Log()
        let orchestrator = Orchestrator()
        await orchestrator.register(Bin("a", ["1"], log, fails: .collect))
        await orchestrator.register(Bin("b", ["2"], log))
        let error = await #expect(throws: CollectionError.self) { try await orchestrator.run() }
        #expect(error?.failures.map(\.module) == ["a"])
        #expect(error?.report.collected.map(\.candidate.id) == ["2"])
        #expect(error?.report.candidates.count == 2)
    }

    @Test("runs that are asked for at once follow one another")
    func serialised() async throws {
        let log = Log()
        let orchestrator = Orchestrator()
        await orchestrator.register(Bin("a", ["1"], log))
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<20 { group.addTask { _ = try await orchestrator.run() } }
            try await group.waitForAll()
        }
        #expect(log.lines == Array(repeating: ["snapshot a", "collect a"], count: 20).flatMap { $0 })
    }

    @Test("a module of the same name takes the place of the first")
    func replaces() async throws {
        let log = Log()
        let orchestrator = Orchestrator()
        await orchestrator.register(Bin("a", ["1"], log))
        await orchestrator.register(Bin("a", ["2"], log))
        #expect(try await orchestrator.run().candidates.map(\.id) == ["2"])
    }
}

final class Log: Sendable {
    private let entries = Mutex<[String]>([])
    var lines: [String] { entries.withLock { $0 } }
    func write(_ line: String) { entries.withLock { $0.append(line) } }
}

/// A module whose garbage is given. Gives way between its steps, so that overlapping runs would show.
struct Bin: Module {
    enum Step { case snapshot, collect }
    struct Failure: Error {}

    let name: String
    let garbage: [String]
    let log: Log
    let failingStep: Step?

    init(_ name: String, _ garbage: [String], _ log: Log, fails failingStep: Step? = nil) {
        self.name = name
        self.garbage = garbage
        self.log = log
        self.failingStep = failingStep
    }

    func snapshot() async throws -> [String] {
        log.write("snapshot \(name)")
        await Task.yield()
        if failingStep == .snapshot { throw Failure() }
        return garbage
    }

    func resolve(_ snapshot: [String], others: Snapshots) throws -> [Candidate] {
        snapshot.map { Candidate(kind: "thing", id: $0, reason: "nobody wants it", bytes: 10) }
    }

    func collect(_ candidates: [Candidate]) async throws -> [Collected] {
        await Task.yield()
        if failingStep == .collect { throw Failure() }
        log.write("collect \(name)")
        return candidates.map { Collected(candidate: $0, bytes: $0.bytes) }
    }
}
