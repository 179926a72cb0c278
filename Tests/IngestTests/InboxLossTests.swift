import Host
import ImageBackend
import Ingest
import OCI
import Store
import SystemPackage
import TestSupport
import Testing

@Suite("An inbox that is not what it was")
struct InboxLossTests {
    /// So long that the tests' own time, however busy the machine, counts for nothing.
    private static let grace = Duration.seconds(3600)

    private func filled(_ count: Int) async throws -> InboxFixture {
        let fixture = try InboxFixture { $0.folderSettle = Self.grace }
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
        let again = try InboxFixture(again: fixture) { $0.folderSettle = Self.grace }
        try await again.pass(after: Self.grace / 2)
        #expect(try await pinned(again) == 3)
        try await again.pass(after: Self.grace * 1.1)
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
        try await fixture.run(after: Self.grace * 2)
        #expect(try await pinned(fixture) == 3)
        #expect(fixture.images.imported.count == 3)
    }

    @Test("a folder that is not there, or is another and empty, says nothing about its items")
    func vanished() async throws {
        let fixture = try await filled(1)
        let aside = fixture.folder.appending("aside")
        try Directory.rename(fixture.path, to: aside)
        #expect(try await fixture.pass(after: Self.grace * 2).pause?.contains("is not there") == true)
        try Directory.create(fixture.path)
        #expect(try await fixture.pass(after: Self.grace * 2).pause?.contains("another folder") == true)
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
        try await fixture.run(after: Self.grace * 1.1)
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

    @Test("a process killed between an import's commit and its memory of it leaves nothing pinned by nothing")
    func orphanedPin() async throws {
        let fixture = try await filled(1)
        let image = try #require(try await fixture.pins("image0.tar").first)
        try await fixture.store.pin(image, by: .inbox("gone.tar"))
        try await fixture.run()
        #expect(try await fixture.pins("gone.tar").isEmpty)
        #expect(try await fixture.isPinned("image0.tar"))
    }
}
