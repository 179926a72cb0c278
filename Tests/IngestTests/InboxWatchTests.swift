import Host
import ImageBackend
import Ingest
import OCI
import Store
import SystemPackage
import TestSupport
import Testing

@Suite("An inbox whose changes are not all reported")
struct InboxWatchTests {
    @Test("is looked at every few seconds, says why once, and remembers it for status")
    func polled() async throws {
        let fixture = try InboxFixture { $0.rescan = .seconds(3600) }
        try fixture.drop("web.tar", "content")
        let reason = "it lies on a file system that does not report changes"
        await fixture.inbox.noteEvent(WatchEvent(folder: fixture.path, kind: .watching))
        for _ in 0..<2 {
            await fixture.inbox.noteEvent(WatchEvent(folder: fixture.path, kind: .degraded(reason)))
        }
        try await fixture.run()
        let now = try await fixture.store.tick()
        try await fixture.pass(at: now)
        let deadline = try #require(await fixture.inbox.nextDeadline)
        #expect(deadline - now <= .seconds(5))
        let folder = try await fixture.store.sources().first { $0.source == .inboxFolder }
        #expect(folder?.errorCode == InboxCode.polling && folder?.message == reason)
        #expect(fixture.log.count("the inbox is polled") == 1)

        await fixture.inbox.noteEvent(WatchEvent(folder: fixture.path, kind: .watching))
        try await fixture.pass(at: now)
        #expect(try #require(await fixture.inbox.nextDeadline) - now == .seconds(3600))
        #expect(try await fixture.store.sources().first { $0.source == .inboxFolder }?.errorCode == nil)
        #expect(fixture.log.contains("info the inbox is watched"))
    }

    @Test("an image folder that cannot be watched is reason enough; one that is gone is none")
    func imageFolder() async throws {
        let fixture = try InboxFixture { $0.rescan = .seconds(3600) }
        let folder = fixture.path.appending("web.image")
        await fixture.inbox.noteEvent(WatchEvent(folder: fixture.path, kind: .watching))
        await fixture.inbox.noteEvent(WatchEvent(folder: folder, kind: .degraded("no watch is left")))
        let now = try await fixture.store.tick()
        try await fixture.pass(at: now)
        #expect(try #require(await fixture.inbox.nextDeadline) - now <= .seconds(5))
        await fixture.inbox.noteEvent(WatchEvent(folder: folder, kind: .folderGone))
        try await fixture.pass(at: now)
        #expect(try #require(await fixture.inbox.nextDeadline) - now == .seconds(3600))
    }

    @Test("lost events are counted, and no event before them vouches for a file any more")
    func overflow() async throws {
        let fixture = try InboxFixture { $0.settle = .seconds(3600) }
        try fixture.drop("web.tar", "content")
        try await fixture.pass()
        await fixture.inbox.noteEvent(WatchEvent(folder: fixture.path, name: "web.tar", kind: .renamedIn))
        await fixture.inbox.noteEvent(WatchEvent(folder: fixture.path, kind: .overflow))
        let now = try await fixture.store.tick()
        let item = try #require(try await fixture.inbox.observe(now: now).items.first)
        guard case .waiting(let until?, _, _) = item.standing else {
            Issue.record("\(item.standing)")
            return
        }
        #expect(until - now > .seconds(1800))
        #expect(fixture.log.contains("events were lost", "count=1"))
    }

    @Test(
        "a pass that nothing has changed for looks at names and times only, and one that something has looks anew"
    )
    func quiet() async throws {
        let fixture = try InboxFixture()
        try fixture.drop("web.tar", "content")
        try await fixture.run()
        func reconcile() async throws -> Bool {
            let now = try await fixture.store.tick()
            try await fixture.inbox.reconcile(now: now)
            return await fixture.inbox.isQuiet
        }
        _ = try await reconcile()
        _ = try await reconcile()
        #expect(try await reconcile())
        #expect(await fixture.inbox.nextDeadline != nil)

        // A new file, a change of one, a removed pin: each is seen without an event.
        try fixture.drop("other.tar", "other")
        #expect(try await !reconcile())
        try await fixture.run()
        #expect(try await fixture.isPinned("other.tar"))
        for _ in 0..<3 { _ = try await reconcile() }
        let image = try #require(try await fixture.pins("web.tar").first)
        try await fixture.store.unpin(image, by: .inbox("web.tar"))
        #expect(try await !reconcile())
        #expect(try await fixture.isPinned("web.tar"))
        for _ in 0..<3 { _ = try await reconcile() }
        // Another process.
        let other = try Store(layout: fixture.store.layout)
        try await other.unpin(image, by: .inbox("web.tar"))
        #expect(try await !reconcile())
        #expect(try await fixture.isPinned("web.tar"))
    }
}
