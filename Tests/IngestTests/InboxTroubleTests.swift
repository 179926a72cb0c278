import Host
import ImageBackend
import Ingest
import OCI
import Store
import Synchronization
import SystemPackage
import TestSupport
import Testing

@Suite("Files that change, fail or vanish")
struct InboxTroubleTests {
    @Test("a file that someone writes is not taken; the close of its writer makes it quick")
    func beingWritten() async throws {
        let fixture = try InboxFixture { $0.settle = .seconds(100) }
        let path = fixture.path.appending("web.tar")
        var writer: File? = try File(path, .writeOnly, options: .create)
        try await fixture.pass()
        let waiting = try #require(try await fixture.receipt("web.tar"))
        #expect(waiting.state == .waiting && waiting.errorCode == InboxCode.beingWritten)
        #expect(await fixture.inbox.activity.unsettled == 1)

        try Array("content".utf8).withUnsafeBytes { try writer?.writeAll($0) }
        writer = nil
        await fixture.inbox.noteEvent(
            WatchEvent(folder: fixture.path, name: "web.tar", kind: .closedAfterWriting)
        )
        let now = try await fixture.store.tick()
        let observation = try await fixture.inbox.observe(now: now)
        switch observation.items[0].standing {
        case .waiting(let until?, _, _): #expect(until - now <= .milliseconds(300))
        case let standing: #expect(standing == .settled)
        }
        #expect(fixture.images.imported.isEmpty)
    }

    @Test("a file that goes away while it waits leaves no receipt")
    func goneWaiting() async throws {
        let fixture = try InboxFixture { $0.settle = .seconds(100) }
        try fixture.drop("web.tar", "content")
        try await fixture.pass()
        #expect(try await fixture.receipt("web.tar")?.state == .waiting)
        try fixture.remove("web.tar")
        try await fixture.pass()
        #expect(try await fixture.receipt("web.tar") == nil)
    }

    @Test("a process that starts anew knows a failed file for what it is, and its receipt goes on saying so")
    func rememberedFailure() async throws {
        let fixture = try InboxFixture()
        try fixture.drop("web.tar", "bad")
        try await fixture.run()
        let again = try InboxFixture(again: fixture) { $0.settle = .seconds(100) }
        for _ in 0..<2 { try await again.pass() }
        #expect(try await again.receipt("web.tar")?.state == .failed)
        #expect(await again.inbox.activity.unsettled == 0)
    }

    @Test("a rewrite during the import discards what was read, and the new content is taken")
    func rewritten() async throws {
        let fixture = try InboxFixture()
        try fixture.drop("web.tar", "first")
        fixture.images.during("web.tar") {
            fixture.images.during("web.tar", nil)
            try fixture.folder.write("other", to: "inbox/web.tar")
        }
        try await fixture.run()
        #expect(fixture.images.imported.count == 2)
        let image = try #require(try await fixture.store.image(reference: "localhost/web:latest"))
        #expect(image.record.layers.map(\.digest) == [Digest.sha256(of: "other".utf8)])
        #expect(try await fixture.pins("web.tar").count == 1)
        #expect(fixture.log.contains("changed while it was read"))
    }

    @Test("a file deleted during its import leaves nothing pinned")
    func deletedMeanwhile() async throws {
        let fixture = try InboxFixture()
        let path = try fixture.drop("web.tar", "content")
        fixture.images.during("web.tar") { try Directory.unlink(path) }
        try await fixture.run()
        #expect(try await !fixture.isPinned("web.tar"))
        #expect(try await fixture.record("web.tar") == nil)
        #expect(try await fixture.receipt("web.tar") == nil)
    }

    @Test("an import is stopped when its file goes away")
    func cancelled() async throws {
        let fixture = try InboxFixture()
        try fixture.drop("web.tar", "content")
        fixture.images.during("web.tar") { try await Task.sleep(for: .seconds(3600)) }
        try await fixture.pass()
        #expect(await fixture.inbox.activity.running == 1)
        try fixture.remove("web.tar")
        try await fixture.run()
        #expect(try await fixture.store.images().isEmpty)
        #expect(await fixture.inbox.items().isEmpty)
    }

    @Test("stopping stops the imports, and the next process does them")
    func stopped() async throws {
        let fixture = try InboxFixture()
        try fixture.drop("web.tar", "content")
        fixture.images.during("web.tar") { try await Task.sleep(for: .seconds(3600)) }
        try await fixture.pass()
        await fixture.inbox.stop()
        #expect(await fixture.inbox.activity.running == 0)
        let again = try InboxFixture(again: fixture)
        try await again.run()
        #expect(try await again.isPinned("web.tar"))
    }

    @Test("what is wrong with a file is said once, and tried again when it changes or someone asks")
    func permanentFailure() async throws {
        let fixture = try InboxFixture()
        try fixture.drop("web.tar", "bad content")
        try await fixture.run()
        let receipt = try #require(try await fixture.receipt("web.tar"))
        #expect(receipt.state == .failed && receipt.errorCode == "notATar" && receipt.nextTry == nil)
        try await fixture.run(after: .seconds(86400))
        try await InboxFixture(again: fixture).run()
        #expect(fixture.images.imported.count == 1)
        #expect(try FileStatus.of(fixture.path.appending("web.tar")) != nil)

        #expect(try await Inbox.retry("web.tar", in: fixture.store))
        try await fixture.run()
        #expect(fixture.images.imported.count == 2)
        try fixture.drop("web.tar", "good")
        try await fixture.run()
        #expect(try await fixture.receipt("web.tar")?.state == .done)
        #expect(try await fixture.inbox.retry("nothing.tar") == false)
    }

    @Test("bad new content keeps the image of the last good one")
    func lastGood() async throws {
        let fixture = try InboxFixture()
        try fixture.drop("web.tar", "good")
        try await fixture.run()
        try fixture.drop("web.tar", "bad")
        try await fixture.run()
        #expect(try await fixture.receipt("web.tar")?.state == .failed)
        #expect(try await fixture.isPinned("web.tar"))
        try fixture.drop("web.tar", "good")
        try await fixture.run()
        #expect(try await fixture.receipt("web.tar")?.state == .done)
        #expect(fixture.images.imported.count == 2)
    }

    @Test("a failure that may pass is tried again after a while, longer each time")
    func transientFailure() async throws {
        let fixture = try InboxFixture()
        try fixture.drop("web.tar", "content")
        let full = ImageError(.noSpace, "the disk is full", isTransient: true)
        fixture.images.fail("web.tar", full, full)
        try await fixture.run()
        let first = try #require(try await fixture.record("web.tar"))
        #expect(first.state == .failed && first.errorCode == "noSpace" && first.attempts == 1)
        #expect(try await fixture.receipt("web.tar")?.nextTry != nil)
        let due = try #require(first.nextTry)
        try await fixture.pass(at: due + .seconds(-1))
        #expect(fixture.images.imported.count == 1)
        #expect(await fixture.inbox.nextDeadline == due)
        try await fixture.pass(at: due)
        try await fixture.idle()
        #expect(fixture.images.imported.count == 2)
        #expect(try await fixture.record("web.tar")?.attempts == 2)
        try await fixture.pass(after: .seconds(60))
        try await fixture.idle()
        #expect(try await fixture.receipt("web.tar")?.state == .done)
        #expect(try await fixture.receipt("web.tar")?.attempts == 3)
    }

    @Test("one round tries each item once, backoff or not")
    func oneRound() async throws {
        let fixture = try InboxFixture()
        try fixture.drop("web.tar", "content")
        let full = ImageError(.noSpace, "the disk is full", isTransient: true)
        fixture.images.fail("web.tar", full)
        try await fixture.run()
        let round = try InboxFixture(again: fixture) { $0.triesOnce = true }
        round.images.fail("web.tar", full, full)
        try await round.run()
        try await round.run(after: .seconds(3600))
        #expect(round.images.imported.count == 1)
        #expect(await round.inbox.activity.failed == 1)
    }
}

@Suite("A disk that is nearly full")
struct InboxReserveTests {
    @Test("imports wait while less than the reserve is free, and go on when there is room")
    func reserve() async throws {
        let disk = Disk()
        disk.free.store(1 << 20, ordering: .relaxed)
        let fixture = try InboxFixture(disk: disk) { $0.reserve = 2 << 20 }
        try fixture.drop("web.tar", "content")
        try await fixture.pass()
        let receipt = try #require(try await fixture.receipt("web.tar"))
        #expect(receipt.state == .waiting && receipt.errorCode == InboxCode.noSpace)
        #expect(receipt.message?.contains("store.reserve") == true)
        #expect(fixture.images.imported.isEmpty)
        disk.free.store(3 << 20, ordering: .relaxed)
        try await fixture.run(after: .seconds(11))
        #expect(try await fixture.receipt("web.tar")?.state == .done)
    }
}
