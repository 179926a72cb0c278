import Host
import Synchronization
import Testing

@testable import Registry

@Suite("Waits between tries")
struct RetryPolicyTests {
    @Test("double up to the longest, and are cut by chance to no less than half")
    func delays() {
        let policy = RetryPolicy(firstDelay: .milliseconds(100), longestDelay: .seconds(1))
        #expect(
            (1...6).map { policy.delay(afterFailures: $0, random: 1).milliseconds } == [
                100, 200, 400, 800, 1000, 1000,
            ]
        )
        #expect(policy.delay(afterFailures: 1, random: 0) == .milliseconds(50))
        #expect(policy.delay(afterFailures: .max, random: 1) == .seconds(1))
    }
}

@Suite("Endpoints that do not answer")
struct EndpointHealthTests {
    @Test("are left alone for a while, longer each time, and are well again once they answer")
    func rests() {
        let clock = TestClock()
        let health = EndpointHealth(now: { clock.now })
        #expect(health.isAlive("a"))
        health.noteDead("a")
        health.noteDead("a")
        #expect(!health.isAlive("a"))
        #expect(health.isAlive("b"))
        clock.advance(.seconds(31))
        #expect(health.isAlive("a"))
        health.noteDead("a")
        clock.advance(.seconds(31))
        #expect(!health.isAlive("a"))
        clock.advance(.seconds(30))
        #expect(health.isAlive("a"))
        health.noteAlive("a")
        health.noteDead("a")
        clock.advance(.seconds(31))
        #expect(health.isAlive("a"))
    }
}

@Suite("The bound on what runs at once")
struct TransferLimiterTests {
    /// How many run at once, in all and per registry, at most.
    private final class Gauge: Sendable {
        private let running = Mutex<[String: Int]>([:])
        let most = Mutex<(all: Int, one: Int)>((0, 0))

        func enter(_ name: String) {
            let (all, one) = running.withLock { running in
                running[name, default: 0] += 1
                return (running.values.reduce(0, +), running[name] ?? 0)
            }
            most.withLock { $0 = (max($0.all, all), max($0.one, one)) }
        }

        func leave(_ name: String) { running.withLock { $0[name, default: 1] -= 1 } }
    }

    @Test("holds in all and for each registry, and everybody has a turn")
    func bounds() async throws {
        let limiter = TransferLimiter(limit: 5, perRegistry: 2)
        let gauge = Gauge()
        let finished = try await withThrowingTaskGroup(of: Void.self) { group in
            for index in 0..<200 {
                group.addTask {
                    let name = "r\(index % 4)"
                    let permit = try await limiter.permit(for: name)
                    gauge.enter(name)
                    await Task.yield()
                    gauge.leave(name)
                    withExtendedLifetime(permit) {}
                }
            }
            var count = 0
            while try await group.next() != nil { count += 1 }
            return count
        }
        #expect(finished == 200)
        #expect(gauge.most.withLock { $0.all <= 5 && $0.one <= 2 })
    }

    /// Who had a turn.
    private final class Order: Sendable {
        let names = Mutex<[String]>([])
    }

    @Test("a registry with a long queue does not hold up another")
    func fair() async throws {
        let limiter = TransferLimiter(limit: 1, perRegistry: 1)
        let order = Order()
        var first: TransferPermit? = try await limiter.permit(for: "busy")
        try await withThrowingTaskGroup(of: Void.self) { group in
            for index in 0..<6 {
                let name = index == 5 ? "other" : "busy"
                group.addTask {
                    let permit = try await limiter.permit(for: name)
                    order.names.withLock { $0.append(name) }
                    withExtendedLifetime(permit) {}
                }
                while limiter.waiting < index + 1 { try await Task.sleep(for: .milliseconds(1)) }
            }
            first = nil
            try await group.waitForAll()
        }
        withExtendedLifetime(first) {}
        #expect(order.names.withLock { $0.firstIndex(of: "other") } ?? .max <= 1)
    }

    @Test("who stops waiting takes no place")
    func cancelled() async throws {
        let limiter = TransferLimiter(limit: 1, perRegistry: 1)
        var permit: TransferPermit? = try await limiter.permit(for: "a")
        let waiting = Task { try await limiter.permit(for: "a") }
        while limiter.waiting == 0 { try await Task.sleep(for: .milliseconds(1)) }
        waiting.cancel()
        await #expect(throws: CancellationError.self) { try await waiting.value }
        permit = nil
        withExtendedLifetime(permit) {}
        _ = try await limiter.permit(for: "a")
    }
}
