import Host
import Synchronization
import SystemPackage
import Testing

@testable import ImageBackend

/// Holds work until it is let go.
private actor Gate {
    private var isOpen = false
    private var waiting: [CheckedContinuation<Void, Never>] = []
    private(set) var arrived: [String] = []

    func pass(_ name: String) async {
        arrived.append(name)
        if !isOpen { await withCheckedContinuation { waiting.append($0) } }
    }

    func open() {
        isOpen = true
        for waiter in waiting { waiter.resume() }
        waiting = []
    }
}

private func until(_ condition: () async throws -> Bool) async throws {
    while try await !condition() { try await Task.sleep(for: .milliseconds(2)) }
}

@Suite("Places, room and shared work")
struct PullSchedulingTests {
    private final class Pull {}

    @Test("a free place goes to the pull that has the fewest")
    func fairness() async throws {
        let slots = LayerSlots(4)
        let gate = Gate()
        let pulls = (Pull(), Pull())
        let (one, two) = (ObjectIdentifier(pulls.0), ObjectIdentifier(pulls.1))
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<8 {
                group.addTask { try await slots.run(pull: one, size: 1) { await gate.pass("one") } }
            }
            try await until { await gate.arrived.count == 4 }
            for _ in 0..<2 {
                group.addTask { try await slots.run(pull: two, size: 1) { await gate.pass("two") } }
            }
            try await Task.sleep(for: .milliseconds(50))
            await gate.open()
            try await group.waitForAll()
        }
        let order = await gate.arrived
        #expect(order.count == 10)
        #expect(order.firstIndex(of: "two").map { $0 <= 5 } == true, "\(order)")
        withExtendedLifetime(pulls) {}
    }

    @Test("large layers leave a place to small ones, and who is cancelled while waiting goes")
    func largeLayers() async throws {
        let slots = LayerSlots(2)
        let gate = Gate()
        let pull = Pull()
        let id = ObjectIdentifier(pull)
        let tasks = (0..<3).map { number in
            Task { try await slots.run(pull: id, size: 1 << 40) { await gate.pass("large \(number)") } }
        }
        try await until { await gate.arrived.count == 1 }
        try await slots.run(pull: id, size: 1) {}
        #expect(await gate.arrived.count == 1)
        tasks[1].cancel()
        tasks[2].cancel()
        var cancelled = 0
        for task in tasks.dropFirst() {
            if case .failure(let error) = await task.result, error is CancellationError { cancelled += 1 }
        }
        // One of the three runs; which one is chance.
        #expect(cancelled >= 1)
        await gate.open()
        _ = await tasks[0].result
        withExtendedLifetime(pull) {}
    }

    @Test("work for which there is no room waits for what runs, and fails where nothing does")
    func space() async throws {
        let free = Mutex<UInt64>(1000)
        let ledger = SpaceLedger(path: "/", reserve: 100) { _ throws(FileError) in free.withLock { $0 } }
        let first = try await ledger.claim(800, for: "one")
        let second = Task { try await ledger.claim(200, for: "two") }
        try await Task.sleep(for: .milliseconds(30))
        await ledger.release(first)
        let claim = try await second.value
        let third = Task { try await ledger.claim(900, for: "three") }
        try await Task.sleep(for: .milliseconds(30))
        third.cancel()
        await #expect(throws: ImageError.self) { try await third.value }
        await ledger.release(claim)
        free.withLock { $0 = 900 }
        let failure = await #expect(throws: ImageError.self) { try await ledger.claim(900, for: "four") }
        #expect(failure?.code == .noSpace && failure?.isTransient == true)
        _ = try await ledger.claim(800, for: "five")
    }

    @Test("work is done once for all who ask at once, and again for who asks later")
    func sharedWork() async throws {
        let work = SharedWork<String, Int>()
        let gate = Gate()
        let runs = Mutex(0)
        let body: @Sendable () async throws -> Int = {
            await gate.pass("run")
            return runs.withLock { runs in
                runs += 1
                return runs
            }
        }
        let tasks = (0..<5).map { _ in Task { try await work.value(for: "a", body) } }
        try await until { await gate.arrived.count == 1 }
        try await Task.sleep(for: .milliseconds(30))
        tasks[0].cancel()
        await #expect(throws: CancellationError.self) { try await tasks[0].value }
        await gate.open()
        for task in tasks.dropFirst() { #expect(try await task.value == 1) }
        #expect(try await work.value(for: "a", body) == 2)
    }

    @Test("work that nobody waits for any more is cancelled, and who asks then gets work of its own")
    func abandonedWork() async throws {
        let work = SharedWork<String, Int>()
        let started = Mutex(0)
        let body: @Sendable () async throws -> Int = {
            let number = started.withLock { started in
                started += 1
                return started
            }
            if number == 1 { try await Task.sleep(for: .seconds(3600)) }
            return number
        }
        let first = Task { try await work.value(for: "a", body) }
        try await until { started.withLock { $0 } == 1 }
        first.cancel()
        await #expect(throws: CancellationError.self) { try await first.value }
        #expect(try await work.value(for: "a", body) == 2)
    }

    @Test("an error reaches all who wait")
    func sharedFailure() async throws {
        let work = SharedWork<Int, Int>()
        let tasks = (0..<3).map { _ in
            Task {
                try await work.value(for: 1) {
                    try await Task.sleep(for: .milliseconds(50))
                    throw ImageError(.io, "broken")
                }
            }
        }
        for task in tasks { await #expect(throws: ImageError.self) { try await task.value } }
    }
}
