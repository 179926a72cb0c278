import GarbageCollection
import Logging
import Store
import Testing

@testable import Agent

@Suite("Passes", .timeLimit(.minutes(1)))
struct AgentTests {
    let trigger = Trigger()

    private func agent(
        _ parts: [any Part],
        rescan: Duration = .seconds(3600),
        clock: @escaping Agent.Clock = { StoreTime(nanoseconds: 0) },
        collect: @escaping Agent.Collector = { _ in CollectionOutcome(report: Orchestrator.Report()) }
    ) -> Agent {
        Agent(
            parts: parts,
            trigger: trigger,
            rescan: rescan,
            logger: Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() }),
            clock: clock,
            collect: collect
        )
    }

    @Test("the first pass comes by itself, and parts are stopped at the end")
    func firstPass() async {
        let part = FakePart("a")
        let agent = agent([part])
        await agent.run { [trigger] _ in trigger.finish() }
        #expect(part.passes == 1)
        #expect(part.isStopped)
    }

    @Test("triggers that come while a pass runs make one more pass")
    func coalescing() async {
        let part = FakePart("a") { [trigger] pass in
            if pass == 1 { for _ in 0..<100 { trigger() } }
            return Outcome()
        }
        let agent = agent([part])
        await agent.run { [trigger] _ in if part.passes == 2 { trigger.finish() } }
        #expect(part.passes == 2)
    }

    @Test("the next look that a part asks for makes a pass")
    func deadline() async {
        let part = FakePart("a") { pass in
            var outcome = Outcome()
            if pass == 1 { outcome.nextLook = StoreTime(nanoseconds: 1_000_000) }
            return outcome
        }
        let agent = agent([part])
        await agent.run { [trigger] _ in if part.passes == 2 { trigger.finish() } }
        #expect(part.passes == 2)
    }

    @Test("a collection that is due makes a pass")
    func collectionDue() async {
        let part = FakePart("a")
        let agent = agent([part], collect: { _ in CollectionOutcome(due: StoreTime(nanoseconds: 1_000_000)) })
        await agent.run { [trigger] _ in if part.passes == 2 { trigger.finish() } }
        #expect(part.passes == 2)
    }

    @Test("the slow timer makes a pass though nobody asks")
    func rescan() async {
        let part = FakePart("a")
        let agent = agent([part], rescan: .milliseconds(1))
        await agent.run { [trigger] _ in if part.passes == 3 { trigger.finish() } }
        #expect(part.passes == 3)
    }

    @Test("an error in one part is reported, and the others and the collection go on")
    func faults() async {
        let good = FakePart("good")
        let bad = FakePart("bad") { _ in throw Fault(description: "unreadable") }
        let report = await agent([bad, good]).pass()
        #expect(report.errors == [.init(part: "bad", message: "unreadable")])
        #expect(report.outcomes["good"] != nil)
        #expect(report.collection != nil)
        #expect(!report.isComplete)
    }

    @Test("without the store's clock nothing is done")
    func noClock() async {
        let part = FakePart("a")
        let report = await agent([part], clock: { throw Fault(description: "damaged") }).pass()
        #expect(report.errors == [.init(part: "store", message: "damaged")])
        #expect(part.passes == 0)
        #expect(report.collection == nil)
    }

    @Test("a collection that fails is reported and stops nothing")
    func collectionFault() async {
        let report = await agent([FakePart("a")], collect: { _ in throw Fault(description: "locked") }).pass()
        #expect(report.errors == [.init(part: "gc", message: "locked")])
        #expect(report.outcomes["a"] != nil)
    }

    @Test("one round goes on until nothing is under way")
    func oneRound() async {
        let part = FakePart("a") { [trigger] pass in
            guard pass < 4 else { return Outcome() }
            trigger()
            return .busy
        }
        let report = await agent([part]).runOnce(timeout: nil)
        #expect(part.passes == 4)
        #expect(report.isComplete)
        #expect(part.isStopped)
    }

    @Test("one round ends with its time, and what is under way is told")
    func timeout() async {
        let part = FakePart("a") { _ in .busy }
        let report = await agent([part], rescan: .milliseconds(1)).runOnce(timeout: .milliseconds(50))
        #expect(report.underway.map(\.item) == ["inbox/a"])
        #expect(!report.isComplete)
        #expect(part.isStopped)
    }

    @Test("one round does not wait for what only waits")
    func waiting() async {
        let part = FakePart("a") { _ in
            var outcome = Outcome()
            outcome.waiting = [Outcome.Finding(item: "vm/a", code: "imageNotFound", message: "no image")]
            return outcome
        }
        let report = await agent([part]).runOnce(timeout: nil)
        #expect(part.passes == 1)
        #expect(!report.isComplete)
        #expect(report.summary == "1 waiting")
    }

    @Test("other parts take over when settings change, and the old ones are stopped")
    func replacement() async {
        let old = FakePart("a")
        let new = FakePart("a")
        let agent = agent([old])
        await agent.run { [trigger] _ in
            if new.passes > 0 { return trigger.finish() }
            await agent.replace(parts: [new], rescan: .seconds(3600))
        }
        #expect(old.isStopped)
        #expect(old.passes == 1)
        #expect(new.passes == 1)
    }

    @Test("cancellation ends the passes and stops the parts")
    func cancellation() async {
        let part = FakePart("a")
        let agent = agent([part])
        let (passes, continuation) = AsyncStream.makeStream(of: Void.self)
        let task = Task { await agent.run { _ in continuation.yield() } }
        for await _ in passes { break }
        task.cancel()
        await task.value
        #expect(part.isStopped)
    }
}
