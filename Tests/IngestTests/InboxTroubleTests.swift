import Host
import ImageBackend
import Ingest
import OCI
import Store
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

@Suite("An inbox that is not what it was")
struct InboxLossTests {
    private func filled(_ count: Int) async throws -> InboxFixture {
        let fixture = try InboxFixture { $0.folderSettle = .seconds(10) }
        for index in 0..<count { try fixture.drop("image\(index).tar", "content \(index)") }
        try await fixture.run()
        return fixture
    }

    private func pinned(_ fixture: InboxFixture) async throws -> Int {
        try await fixture.store.images().count { !$0.pins.isEmpty }
    }

    @Test("losing everything at one stroke is believed after a while only")
    func emptied() async throws {
        let fixture = try await filled(3)
        for index in 0..<3 { try fixture.remove("image\(index).tar") }
        let plan = try await fixture.pass()
        #expect(plan.pause?.contains("3 items") == true)
        #expect(try await pinned(fixture) == 3)
        // A process that starts anew remembers since when.
        let again = try InboxFixture(again: fixture) { $0.folderSettle = .seconds(10) }
        try await again.pass(after: .seconds(5))
        #expect(try await pinned(again) == 3)
        try await again.pass(after: .seconds(11))
        #expect(try await pinned(again) == 0)
        #expect(try await again.pass().pause == nil)
        #expect(try await again.store.sources().map(\.absentSince) == [nil])
    }

    @Test("what comes back in time was never gone")
    func cameBack() async throws {
        let fixture = try await filled(3)
        let aside = fixture.folder.appending("aside")
        try Directory.create(aside)
        for index in 0..<3 {
            try Directory.rename(
                fixture.path.appending("image\(index).tar"),
                to: aside.appending("image\(index).tar")
            )
        }
        try await fixture.run()
        for index in 0..<3 {
            try Directory.rename(
                aside.appending("image\(index).tar"),
                to: fixture.path.appending("image\(index).tar")
            )
        }
        try await fixture.run(after: .seconds(60))
        #expect(try await pinned(fixture) == 3)
        #expect(fixture.images.imported.count == 3)
    }

    @Test("a folder that is not there, or is another and empty, says nothing about its items")
    func vanished() async throws {
        let fixture = try await filled(1)
        let aside = fixture.folder.appending("aside")
        try Directory.rename(fixture.path, to: aside)
        #expect(try await fixture.pass(after: .seconds(3600)).pause?.contains("is not there") == true)
        try Directory.create(fixture.path)
        #expect(try await fixture.pass(after: .seconds(3600)).pause?.contains("another folder") == true)
        #expect(try await pinned(fixture) == 1)
        try Directory.removeTree(fixture.path)
        try Directory.rename(aside, to: fixture.path)
        let plan = try await fixture.pass()
        #expect(plan.pause == nil && plan.unchanged == 1)
    }

    @Test("another folder becomes the inbox when something lies in it; what it lacks is let go after a while")
    func replaced() async throws {
        let fixture = try await filled(2)
        try Directory.rename(fixture.path, to: fixture.folder.appending("aside"))
        try Directory.create(fixture.path)
        try fixture.drop("image0.tar", "content 0")
        try await fixture.run()
        #expect(try await pinned(fixture) == 2)
        try await fixture.run(after: .seconds(11))
        #expect(try await pinned(fixture) == 1)
        #expect(fixture.images.imported.count == 2, "\(fixture.log)")
    }

    @Test("a folder that vanishes during an import is a failure that may pass")
    func vanishedMeanwhile() async throws {
        let fixture = try await filled(1)
        let path = fixture.path
        let aside = fixture.folder.appending("aside")
        try fixture.drop("late.tar", "late")
        fixture.images.during("late.tar") { try Directory.rename(path, to: aside) }
        try await fixture.run()
        #expect(try await fixture.isPinned("image0.tar"))
        #expect(try await fixture.record("late.tar")?.nextTry != nil)
        try Directory.rename(aside, to: path)
        fixture.images.during("late.tar", nil)
        try await fixture.run(after: .seconds(60))
        #expect(try await fixture.isPinned("late.tar"))
    }
}
