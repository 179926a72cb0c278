import Host
import ImageBackend
import Ingest
import OCI
import Store
import SystemPackage
import TestSupport
import Testing

@Suite("Queues that change, fail or vanish")
struct QueueTroubleTests {
    private static let web = "docker.io/library/web:latest"

    @Test("a passing failure is tried again after a growing while, also by the next process")
    func transientFailure() async throws {
        let fixture = try QueueFixture()
        fixture.images.publish(Self.web, "content")
        let failure = ImageError(.unavailable, "no route to host", isTransient: true)
        fixture.images.fail(Self.web, failure, failure)
        try fixture.write("web")
        try await fixture.tryOnce(Self.web)
        let first = try #require(try await fixture.record(Self.web))
        #expect(first.state == .failed && first.errorCode == "unavailable" && first.attempts == 1)
        let receipt = try #require(try await fixture.receipt(Self.web))
        #expect(receipt.state == .failed && receipt.nextTry != nil && receipt.message == "no route to host")
        #expect(fixture.log.contains("error", "pull failed: no route to host", "nextTry"))

        let due = try #require(first.nextTry)
        try await fixture.pass(at: due + .seconds(-1))
        #expect(fixture.images.pulled.count == 1)
        #expect(await fixture.queue.nextDeadline == due)
        let next = try QueueFixture(again: fixture)
        let before = try await next.store.tick()
        try await next.pass(at: due)
        try await next.idle()
        let second = try #require(try await next.record(Self.web))
        #expect(second.attempts == 2 && next.images.pulled.count == 2)
        let again = try #require(second.nextTry)
        #expect(again >= before + .seconds(16))
        #expect(again <= (try await next.store.tick()) + .seconds(24))
        try await next.pass(after: .seconds(60))
        try await next.idle()
        await next.queue.flushReceipts()
        #expect(try await next.record(Self.web)?.state == .done)
        #expect(try await next.record(Self.web)?.attempts == 3)
    }

    @Test("a lasting failure is tried again slowly, at once after an edit or when asked to")
    func permanentFailure() async throws {
        let fixture = try QueueFixture()
        try fixture.write("web")
        let before = try await fixture.store.tick()
        try await fixture.run()
        let record = try #require(try await fixture.record(Self.web))
        #expect(record.errorCode == "notFound")
        let due = try #require(record.nextTry)
        #expect(due >= before + .seconds(240))
        #expect(due <= (try await fixture.store.tick()) + .seconds(360))
        try await fixture.run(after: .seconds(100))
        #expect(fixture.images.pulled.count == 1)
        #expect(try await fixture.queue.retry(Self.web))
        try await fixture.run()
        #expect(fixture.images.pulled.count == 2)
        try fixture.write("web pull=always")
        try await fixture.run()
        #expect(fixture.images.pulled.count == 3)
        #expect(try await fixture.record(Self.web)?.attempts == 1)
        #expect(try await !fixture.queue.retry("docker.io/library/other:latest"))
    }

    @Test("a registry that asks for patience gets it")
    func retryAfter() async throws {
        let fixture = try QueueFixture()
        let failure = ImageError(
            .rateLimited,
            "slow down",
            isTransient: true,
            retryAfter: .seconds(1000)
        )
        fixture.images.fail(Self.web, failure)
        try fixture.write("web")
        let before = try await fixture.store.tick()
        try await fixture.run()
        let due = try #require(try await fixture.record(Self.web)?.nextTry)
        #expect(due >= before + .seconds(1000))
    }

    @Test("a failed refresh leaves the image as it was")
    func failedRefresh() async throws {
        let fixture = try QueueFixture()
        fixture.images.publish(Self.web, "content")
        try fixture.write("web pull=always")
        try await fixture.run()
        fixture.images.fail(Self.web, ImageError(.unavailable, "offline", isTransient: true))
        try await fixture.pass(after: .seconds(4000))
        try await fixture.idle()
        #expect(try await fixture.record(Self.web)?.state == .failed)
        #expect(try await fixture.pins(Self.web).count == 1)
        #expect(try await fixture.receipt(Self.web)?.digest != nil)
    }

    @Test("each line is tried once where that is asked for, whatever its backoff says")
    func once() async throws {
        let fixture = try QueueFixture()
        let failure = ImageError(.unavailable, "offline", isTransient: true)
        fixture.images.fail(Self.web, failure, failure, failure)
        try fixture.write("web")
        try await fixture.tryOnce(Self.web)
        let next = try QueueFixture(again: fixture) { $0.triesOnce = true }
        try await next.run()
        try await next.run(after: .seconds(1000))
        #expect(next.images.pulled.count == 2)
    }

    @Test("whole lines of a file that is being written are followed at once, what is missing is not believed")
    func settling() async throws {
        let fixture = try QueueFixture { $0.settle = .seconds(100) }
        for name in ["a", "b", "c"] { fixture.images.publish("docker.io/library/\(name):1", name) }
        try fixture.folder.write("a:1\nb:1\nc:", to: "queue")
        try await fixture.run()
        #expect(Set(fixture.images.pulled) == ["docker.io/library/a:1", "docker.io/library/b:1"])
        #expect(await fixture.queue.activity.isSettling)
        #expect(await fixture.queue.items().count == 2)
        try fixture.folder.write("a:1\n", to: "queue")
        try await fixture.run()
        #expect(try await fixture.pins("docker.io/library/b:1").count == 1)
        // Its writer says that it is done.
        let name = try #require(fixture.queue.settings.path.lastComponent)
        let event = WatchEvent(folder: fixture.folder.path, name: name, kind: .closedAfterWriting)
        #expect(await fixture.queue.noteEvent(event))
        try await Task.sleep(for: .milliseconds(350))
        while await fixture.queue.activity.isSettling { try await fixture.pass() }
        #expect(try await fixture.pins("docker.io/library/b:1").isEmpty)
        await fixture.queue.stop()
    }

    @Test("events of other files of the folder concern nobody here")
    func otherFiles() async throws {
        let fixture = try QueueFixture()
        let event = WatchEvent(folder: fixture.folder.path, name: "other", kind: .renamedIn)
        #expect(await !fixture.queue.noteEvent(event))
    }

    @Test("when most lines go at one stroke, nothing is released before the grace is over")
    func emptied() async throws {
        let fixture = try QueueFixture()
        let names = (1...5).map { "docker.io/library/i\($0):1" }
        for name in names { fixture.images.publish(name, name) }
        try fixture.folder.write(names.joined(separator: "\n"), to: "queue")
        try await fixture.run()
        try fixture.write("i1:1")
        try await fixture.run(after: .seconds(300))
        #expect(await fixture.queue.activity.pause?.contains("4 of 5 lines went away") == true)
        #expect(try await fixture.pins(names[4]).count == 1)
        // The next process goes on counting.
        let next = try QueueFixture(again: fixture)
        try await next.run(after: .seconds(500))
        #expect(try await next.pins(names[4]).count == 1)
        try await next.run(after: .seconds(1000))
        for name in names.dropFirst() { #expect(try await next.pins(name).isEmpty) }
        #expect(try await next.pins(names[0]).count == 1)
        #expect(await next.queue.activity.pause == nil)
    }

    @Test("lines that come back within the grace are as if nothing had been")
    func emptiedForAMoment() async throws {
        let fixture = try QueueFixture()
        let names = (1...5).map { "docker.io/library/i\($0):1" }
        for name in names { fixture.images.publish(name, name) }
        let text = names.joined(separator: "\n")
        try fixture.folder.write(text, to: "queue")
        try await fixture.run()
        try fixture.folder.write("", to: "queue")
        try await fixture.run()
        try fixture.folder.write(text, to: "queue")
        try await fixture.run()
        // The grace starts anew.
        try fixture.folder.write("", to: "queue")
        try await fixture.run(after: .seconds(1200))
        #expect(await fixture.queue.activity.pause != nil)
        #expect(fixture.images.pulled.count == 5)
        for name in names { #expect(try await fixture.pins(name).count == 1) }
    }

    @Test("a bad edit of a line leaves its image as it is, and says so once")
    func badEdit() async throws {
        let fixture = try QueueFixture()
        fixture.images.publish(Self.web, "content")
        try fixture.write("web")
        try await fixture.run()
        try fixture.write("web pull=allways", "::")
        try await fixture.run()
        try await fixture.run(after: .seconds(10000))
        #expect(try await fixture.pins(Self.web).count == 1)
        #expect(fixture.log.count("did you mean 'always'?") == 1)
        #expect(fixture.log.count(":2:1: '::'") == 1)
        let receipt = try #require(try await fixture.receipt(Self.web))
        #expect(
            receipt.state == .failed && receipt.errorCode == QueueCode.invalidLine && receipt.digest != nil
        )
        #expect(await fixture.queue.items().map(\.state) == [.failed, .failed])
        try fixture.write("web pull=always")
        try await fixture.run()
        #expect(try await fixture.receipt(Self.web)?.state == .done)
        #expect(await fixture.queue.items().map(\.state) == [.done])
    }

    @Test(
        "what is no regular file, or may be written by everyone, is refused",
        arguments: ["link", "folder", "fifo", "world"]
    )
    func refused(kind: String) async throws {
        let fixture = try QueueFixture()
        let path = fixture.queue.settings.path
        switch kind {
        case "link":
            try fixture.folder.write("web\n", to: "other")
            try await check("ln", ["-s", fixture.folder.appending("other").string, path.string])
        case "folder": try Directory.create(path)
        case "fifo": try await check("mkfifo", [path.string])
        default:
            try fixture.write("web")
            try await check("chmod", ["666", path.string])
        }
        try await fixture.run()
        #expect(await fixture.queue.activity.pause?.contains(path.string) == true)
        #expect(fixture.images.pulled.isEmpty)
    }

    @Test("stopping stops the pulls, and the next process does them")
    func stopped() async throws {
        let fixture = try QueueFixture()
        fixture.images.publish(Self.web, "content")
        fixture.images.during(Self.web) { try await Task.sleep(for: .seconds(3600)) }
        try fixture.write("web")
        try await fixture.pass()
        await fixture.queue.stop()
        #expect(try await fixture.record(Self.web) == nil)
        fixture.images.during(Self.web, nil)
        let next = try QueueFixture(again: fixture)
        try await next.run()
        #expect(try await next.pins(Self.web).count == 1)
    }

    @Test("a queue of 20,000 lines is planned in one pass, and read again only when it changes")
    func large() async throws {
        let fixture = try QueueFixture { $0.pulls = 2 }
        let lines = (1...20_000).map { "registry.example/team/image:\($0) pull=never" }
        try fixture.folder.write(lines.joined(separator: "\n"), to: "queue")
        let plan = Queue.plan(try await fixture.queue.observe(now: try await fixture.store.tick()))
        #expect(plan.decisions.count == 20_000 && plan.problems.isEmpty)
    }
}
