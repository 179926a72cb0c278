import Host
import ImageBackend
import Ingest
import OCI
import Store
import SystemPackage
import TestSupport
import Testing

@Suite("The inbox is desired state")
struct InboxTests {
    @Test("a file renamed into place becomes an image, pinned and claimed under the file's name")
    func taken() async throws {
        let fixture = try InboxFixture()
        try fixture.drop("web@1.2.tar.gz", "content")
        try await fixture.run()

        let receipt = try #require(try await fixture.receipt("web@1.2.tar.gz"))
        #expect(receipt.state == .done && receipt.schema == 1 && receipt.attempts == 1)
        #expect(receipt.references == ["localhost/web:1.2"])
        #expect(receipt.bytes.input == 7 && receipt.bytes.read == 7 && receipt.layers.count == 1)
        #expect(receipt.timings?.finished != nil)
        let image = try #require(try await fixture.store.image(reference: "localhost/web:1.2"))
        #expect(image.pins == [.inbox("web@1.2.tar.gz")] && image.record.digest == receipt.digest)
        #expect(fixture.log.contains("info imported", "item=inbox/web@1.2.tar.gz"))
        #expect(await fixture.inbox.activity.isIdle)
    }

    @Test("what is taken already is neither read nor converted by a process that starts anew")
    func unchanged() async throws {
        let first = try InboxFixture()
        try first.drop("web.tar", "content")
        try await first.run()
        let again = try InboxFixture(again: first)
        let plan = try await again.pass()
        #expect(plan.isEmpty && plan.unchanged == 1)
        #expect(again.images.imported.isEmpty)
    }

    @Test("an image that lost its pin gets it back; one that is gone is imported again")
    func restored() async throws {
        let fixture = try InboxFixture()
        try fixture.drop("web.tar", "content")
        try await fixture.run()
        let image = try #require(try await fixture.pins("web.tar").first)

        try await fixture.store.unpin(image, by: .inbox("web.tar"))
        try await fixture.run()
        #expect(try await fixture.isPinned("web.tar"))
        #expect(fixture.images.imported.count == 1)

        #expect(try await fixture.store.removeImage(image))
        try await fixture.run()
        #expect(try await fixture.isPinned("web.tar"))
        #expect(fixture.images.imported.count == 2)
    }

    @Test("a file that was only touched is not converted again")
    func touched() async throws {
        let fixture = try InboxFixture()
        let path = try fixture.drop("web.tar", "content")
        try await fixture.run()
        try await check("touch", ["-d", "@1700000000", path.string])
        try await fixture.run()
        #expect(fixture.images.imported.count == 1)
        let record = try #require(try await fixture.record("web.tar"))
        #expect(record.state == .done)
        #expect(record.identity == FileIdentity(try #require(try FileStatus.of(path))).description)
        #expect(try await fixture.receipt("web.tar")?.layers.count == 1)
    }

    @Test("new content of the same size and time is a new image, and the name moves to it")
    func replaced() async throws {
        let fixture = try InboxFixture()
        for content in ["one", "two"] {
            let path = try fixture.drop("web.tar", content)
            try await check("touch", ["-d", "@1700000000", path.string])
            try await fixture.run()
            let image = try #require(try await fixture.store.image(reference: "localhost/web:latest"))
            #expect(image.record.layers.map(\.digest) == [Digest.sha256(of: content.utf8)])
        }
        #expect(try await fixture.pins("web.tar").count == 1)
    }

    @Test("the same content under another name is pinned by both")
    func duplicate() async throws {
        let fixture = try InboxFixture()
        try fixture.drop("a.tar", "content")
        try fixture.drop("b.tar", "content")
        try await fixture.run()
        #expect(try await fixture.store.images().map(\.pins) == [[.inbox("a.tar"), .inbox("b.tar")]])
        let receipts = [try await fixture.receipt("a.tar"), try await fixture.receipt("b.tar")]
        #expect(receipts.allSatisfy { $0?.state == .done })
        #expect(receipts.contains { $0?.duplicateOf?.hasPrefix("inbox/") == true })
    }

    @Test(
        "of two that claim one reference the newest has it, and the other has it again when that one leaves"
    )
    func conflict() async throws {
        let fixture = try InboxFixture()
        try fixture.drop("web.tar", "one")
        try await fixture.run()
        try fixture.drop("web.tar.gz", "two")
        try await fixture.run()
        let reference = "localhost/web:latest"
        func layers() async throws -> [Digest]? {
            try await fixture.store.image(reference: reference)?.record.layers.map(\.digest)
        }
        #expect(try await layers() == [Digest.sha256(of: "two".utf8)])
        let warning = try #require(try await fixture.receipt("web.tar.gz")?.warnings.first)
        #expect(warning.contains("inbox/web.tar ") || warning.contains("inbox/web.tar for"), "\(warning)")
        #expect(warning.contains("inbox/web.tar.gz") && warning.contains(reference))
        #expect(fixture.log.contains("warning", reference, "inbox/web.tar.gz"))
        try fixture.remove("web.tar.gz")
        try await fixture.run()
        #expect(try await layers() == [Digest.sha256(of: "one".utf8)])
        #expect(fixture.log.contains("means again what inbox/web.tar says"))
    }

    @Test("a file that is deleted is released by the next pass")
    func deleted() async throws {
        let fixture = try InboxFixture()
        try fixture.drop("web.tar", "content")
        try await fixture.run()
        #expect(try await fixture.receipt("web.tar") != nil)
        try fixture.remove("web.tar")
        try await fixture.pass()
        let image = try #require(try await fixture.store.images().first)
        #expect(image.pins.isEmpty && image.references.isEmpty && image.unpinnedAt != nil)
        #expect(try await fixture.record("web.tar") == nil)
        #expect(try await fixture.receipt("web.tar") == nil)
        #expect(
            fixture.log.contains(
                "warning",
                "no longer pinned",
                "collectedAfter=",
                image.record.digest.description
            )
        )
    }

    @Test("a hard link and a file copied slowly are files like any other")
    func hardLink() async throws {
        let fixture = try InboxFixture()
        let source = try fixture.folder.write("content", to: "elsewhere.tar")
        try await check("ln", [source.string, fixture.path.appending("web.tar").string])
        try await fixture.run()
        #expect(try await fixture.isPinned("web.tar"))
    }

    @Test("removes a file whose image is safe when told to, and keeps the image pinned by hand")
    func spool() async throws {
        let fixture = try InboxFixture { $0.onSuccess = .remove }
        let path = try fixture.drop("web.tar", "content")
        try await fixture.run()
        #expect(try FileStatus.of(path) == nil)
        try await fixture.run()
        let image = try #require(try await fixture.store.image(reference: "localhost/web:latest"))
        #expect(image.pins == [.hand])
        #expect(try await fixture.record("web.tar") == nil)
        let receipt = try #require(try await fixture.receipt("web.tar"))
        #expect(receipt.state == .done && receipt.removed == true)

        let again = try InboxFixture(again: fixture) { $0.onSuccess = .remove }
        try await again.run()
        #expect(try await again.receipt("web.tar")?.removed == true)
        #expect(try await again.store.removeImage(image.record.digest))
        let last = try InboxFixture(again: fixture) { $0.onSuccess = .remove }
        try await last.run()
        #expect(try await last.receipt("web.tar") == nil)
    }

    @Test("ten thousand files are looked at without opening one of them again")
    func many() async throws {
        let fixture = try InboxFixture()
        try await check(
            "bash",
            ["-c", "cd \(fixture.path) && for i in $(seq 10000); do echo $i > $i.tar; done"]
        )
        let observation = try await fixture.inbox.observe(now: try await fixture.store.tick())
        #expect(observation.items.count == 10_000)
        let plan = Inbox.plan(observation)
        #expect(plan.decisions.count == 10_000)
        let again = try await fixture.inbox.observe(now: try await fixture.store.tick())
        #expect(Inbox.plan(again) == plan)
    }

    @Test("no more imports run at once than are allowed, and a plan says what it would do")
    func bounded() async throws {
        let fixture = try InboxFixture { $0.conversions = 2 }
        for index in 0..<20 { try fixture.drop("image\(index).tar", "content \(index)") }
        let plan = Inbox.plan(try await fixture.inbox.observe(now: try await fixture.store.tick()))
        #expect(plan.description.contains("image7.tar: import as localhost/image7:latest (new)"))
        #expect(fixture.images.imported.isEmpty)
        try await fixture.run()
        #expect(try await fixture.store.images().count == 20)
        #expect(fixture.images.mostRunning <= 2)
    }

    @Test("receipts that are missing are written, and those of nothing removed, when a process starts")
    func receiptsInOrder() async throws {
        let first = try InboxFixture()
        try first.drop("web.tar", "content")
        try first.drop("late.tar", "late")
        try await first.run()
        await first.inbox.stop()
        try Directory.unlink(first.inbox.settings.receipts.appending("web.tar.json"))
        try first.folder.write("{}", to: "receipts/inbox/gone.tar.json")
        // What a process left behind that was killed before it could say how it went.
        try first.folder.write(
            String(
                decoding: Receipt(item: "late.tar", state: .running, bytes: .init(input: 4)).encoded(),
                as: UTF8.self
            ),
            to: "receipts/inbox/late.tar.json"
        )
        let half = try first.folder.write("{", to: "receipts/inbox/.web.tar.json.1.99.tmp")
        let again = try InboxFixture(again: first)
        try await again.run()
        #expect(try FileStatus.of(half) == nil)
        #expect(try await again.receipt("web.tar")?.state == .done)
        #expect(try await again.receipt("late.tar")?.layers.count == 1)
        #expect(try FileStatus.of(again.inbox.settings.receipts.appending("gone.tar.json")) == nil)
    }
}
