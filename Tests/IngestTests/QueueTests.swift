import Host
import ImageBackend
import Ingest
import OCI
import Store
import SystemPackage
import TestSupport
import Testing

@Suite("The queue: what it lists is in the store")
struct QueueTests {
    private static let web = "docker.io/library/web:latest"
    private static let db = "docker.io/library/db:latest"

    @Test("a listed image is pulled, claimed under both its names, pinned, and has a receipt")
    func pulled() async throws {
        let fixture = try QueueFixture()
        fixture.images.publish(Self.web, "content")
        try fixture.write("web as=front platform=linux/arm64")
        try await fixture.run()
        let image = try #require(try await fixture.store.image(reference: Self.web))
        #expect(image.references == [Self.web, "localhost/front:latest"])
        #expect(image.pins == [.queue(Self.web)])
        #expect(fixture.images.pulls.map(\.platform) == [Platform("linux/arm64")])
        let receipt = try #require(try await fixture.receipt(Self.web))
        #expect(receipt.state == .done && receipt.digest == image.record.digest)
        #expect(receipt.resolved != nil && receipt.layers.count == 1 && receipt.attempts == 1)
        #expect(receipt.nextTry == nil && receipt.references == image.references)

        try await fixture.run(after: .seconds(100_000))
        #expect(fixture.images.pulled.count == 1)
        // The next process remembers.
        let next = try QueueFixture(again: fixture)
        try await next.run(after: .seconds(100_000))
        #expect(next.images.pulled.count == 1)
    }

    @Test("without a file nothing is wrong; a file that goes away keeps what it listed, and says so")
    func missingFile() async throws {
        let fixture = try QueueFixture()
        try await fixture.run()
        #expect(await fixture.queue.activity.pause == nil)
        fixture.images.publish(Self.web, "content")
        try fixture.write("web")
        try await fixture.run()
        try Directory.unlink(fixture.queue.settings.path)
        try await fixture.run(after: .seconds(1_000_000))
        #expect(await fixture.queue.activity.pause?.contains("is not there") == true)
        #expect(fixture.log.count("the queue is paused") == 1)
        #expect(try await fixture.pins(Self.web).count == 1)
        try fixture.write("web")
        try await fixture.run()
        #expect(await fixture.queue.activity.pause == nil)
        #expect(fixture.images.pulled.count == 1)
    }

    @Test("a removed line is released with a warning that names the deadline; its receipt goes")
    func removedLine() async throws {
        let fixture = try QueueFixture()
        for name in [Self.web, Self.db] { fixture.images.publish(name, name) }
        try fixture.write("web", "db")
        try await fixture.run()
        try fixture.write("db")
        try await fixture.run()
        #expect(try await fixture.pins(Self.web).isEmpty)
        #expect(try await fixture.pins(Self.db).count == 1)
        #expect(fixture.log.contains("warning", "no longer asked for", Self.web, "collectedAfter"))
        #expect(try await fixture.receipt(Self.web) == nil)
        #expect(try await fixture.record(Self.web) == nil)
        // It is back before it is collected.
        try fixture.write("db", "web")
        try await fixture.run()
        #expect(try await fixture.pins(Self.web).count == 1)
    }

    @Test("a removed or changed line stops the pull that runs")
    func cancelled() async throws {
        let fixture = try QueueFixture()
        fixture.images.publish(Self.web, "content")
        fixture.images.during(Self.web) { try await Task.sleep(for: .seconds(3600)) }
        try fixture.write("web")
        try await fixture.pass()
        #expect(await fixture.queue.activity.running == 1)
        fixture.images.during(Self.web, nil)
        try fixture.write("web pull=always")
        try await fixture.run()
        #expect(fixture.images.pulls.map(\.policy) == [.ifNotPresent, .always])
        #expect(try await fixture.record(Self.web)?.state == .done)

        fixture.images.during(Self.db) { try await Task.sleep(for: .seconds(3600)) }
        fixture.images.publish(Self.db, "other")
        try fixture.write("web pull=always", "db")
        try await fixture.pass()
        try fixture.write("web pull=always")
        try await fixture.run()
        #expect(try await fixture.record(Self.db) == nil)
        #expect(try await fixture.store.image(reference: Self.db) == nil)
        #expect(try await fixture.receipt(Self.db) == nil)
    }

    @Test("pull=always follows a moved tag after its refresh time, and an unmoved one costs a look")
    func refreshed() async throws {
        let fixture = try QueueFixture()
        fixture.images.publish(Self.web, "one")
        try fixture.write("web pull=always refresh=10m")
        try await fixture.run()
        let first = try await fixture.pins(Self.web)
        try await fixture.run(after: .seconds(500))
        #expect(fixture.images.pulled.count == 1)
        let record = try #require(try await fixture.record(Self.web))
        let due = try #require(record.nextTry)
        #expect(due - (try await fixture.store.tick()) <= .seconds(600))
        #expect(try await fixture.receipt(Self.web)?.nextTry != nil)

        // A process that starts anew keeps to the time.
        let next = try QueueFixture(again: fixture)
        try await next.pass(after: .seconds(500))
        #expect(next.images.pulled.count == 1)
        try await next.pass(after: .seconds(601))
        #expect(await next.queue.items().map(\.state) == [.done])
        try await next.run()
        #expect(next.images.pulled.count == 2)
        #expect(try await next.pins(Self.web) == first)
        #expect(!next.log.contains("info", "pulled"))

        next.images.publish(Self.web, "two")
        try await next.pass(after: .seconds(1300))
        try await next.run()
        let second = try await next.pins(Self.web)
        #expect(second.count == 1 && second != first)
        #expect(next.log.contains("info", "pulled"))
    }

    @Test("a reference by digest never moves: it is not looked for again")
    func byDigest() async throws {
        let fixture = try QueueFixture()
        let reference = "docker.io/library/web@\(Digest.sha256(of: "x".utf8))"
        fixture.images.publish(reference, "content")
        try fixture.write("\(reference) pull=always")
        try await fixture.run()
        try await fixture.run(after: .seconds(1_000_000))
        #expect(fixture.images.pulled.count == 1)
    }

    @Test("an image that was deleted by hand is pulled again, one that lost its pin is pinned again")
    func restored() async throws {
        let fixture = try QueueFixture()
        fixture.images.publish(Self.web, "content")
        try fixture.write("web")
        try await fixture.run()
        let image = try #require(try await fixture.pins(Self.web).first)
        try await fixture.store.unpin(image, by: .queue(Self.web))
        try await fixture.run()
        #expect(try await fixture.pins(Self.web) == [image])
        #expect(fixture.images.pulled.count == 1)
        #expect(try await fixture.store.removeImage(image))
        try await fixture.run()
        #expect(try await fixture.pins(Self.web) == [image])
        #expect(fixture.images.pulled.count == 2)
    }

    @Test("pulls are bounded, and one registry does not take all turns")
    func bounded() async throws {
        let fixture = try QueueFixture { $0.pulls = 4 }
        let slow = (1...8).map { "slow.example/image\($0):1" }
        for name in slow {
            fixture.images.publish(name, name)
            fixture.images.during(name) { try await Task.sleep(for: .seconds(3600)) }
        }
        fixture.images.publish(Self.web, "content")
        let lines = (slow + ["web"]).map { "\($0)\n" }.joined()
        try fixture.folder.write(lines, to: "queue")
        try await fixture.pass()
        #expect(await fixture.queue.activity.running == 4)
        #expect(fixture.images.pulled.count <= 4)
        while try await fixture.record(Self.web)?.state != .done { try await fixture.pass() }
        #expect(fixture.images.mostRunning <= 4)
        await fixture.queue.stop()
    }

    @Test("what is wanted beside the file is pulled like a line, and released when it is not wanted any more")
    func wishes() async throws {
        let fixture = try QueueFixture()
        fixture.images.publish(Self.web, "content")
        let source = Source(rawValue: "requests/\(Self.web)")
        let web = try Reference(parsing: "web")
        await fixture.queue.wish([.wish(web, isNeeded: false, asking: [])])
        try await fixture.run()
        #expect(fixture.images.pulled.isEmpty)
        await fixture.queue.wish([.wish(web, isNeeded: true, asking: [])])
        try await fixture.run()
        #expect(try await fixture.store.image(reference: Self.web)?.pins == [source])
        #expect(try await fixture.receipt(Self.web) == nil)
        // Who waits for an answer of its own gets one.
        await fixture.queue.wish([.wish(web, isNeeded: true, asking: ["vm-1"])])
        try await fixture.run()
        #expect(fixture.images.pulls.map(\.policy) == [.ifNotPresent, .always])
        // Nobody waits any more, but it is still named; and a process that does not know of wishes releases nothing.
        await fixture.queue.wish([.wish(web, isNeeded: false, asking: [])])
        try await fixture.run(after: .seconds(100_000))
        try await QueueFixture(again: fixture).run()
        #expect(fixture.images.pulled.count == 2)
        #expect(try await fixture.store.image(reference: Self.web)?.pins == [source])
        await fixture.queue.wish([])
        try await fixture.run()
        #expect(try await fixture.store.images().allSatisfy { $0.pins.isEmpty })
    }
}
