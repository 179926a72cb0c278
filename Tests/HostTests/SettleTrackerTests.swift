import Host
import SystemPackage
import TestSupport
import Testing

@Suite("When a file that others write may be read")
struct SettleTrackerTests {
    private let first = FileIdentity(inode: 1, size: 10, modified: 100, changed: 100)
    private let second = FileIdentity(inode: 1, size: 20, modified: 200, changed: 200)
    private let millisecond: Int64 = 1_000_000
    private var tracker = SettleTracker(settle: .seconds(2), quick: .milliseconds(300))

    @Test("a file of which nothing is known must stand still for the whole time")
    func standsStill() {
        var tracker = tracker
        #expect(
            tracker.observe("a", identity: first, writers: .none, now: 0) == .wait(until: 2000 * millisecond)
        )
        #expect(
            tracker.observe("a", identity: first, writers: .none, now: 1999 * millisecond)
                == .wait(until: 2000 * millisecond)
        )
        #expect(tracker.observe("a", identity: first, writers: .none, now: 2000 * millisecond) == .settled)
    }

    @Test("a changed identity starts over")
    func changeStartsOver() {
        var tracker = tracker
        _ = tracker.observe("a", identity: first, writers: .none, now: 0)
        #expect(
            tracker.observe("a", identity: second, writers: .none, now: 1500 * millisecond)
                == .wait(until: 3500 * millisecond)
        )
        #expect(tracker.observe("a", identity: second, writers: .none, now: 3500 * millisecond) == .settled)
    }

    @Test("a file closed by its writer and free of writers is settled after a short while")
    func finished() {
        var tracker = tracker
        _ = tracker.observe("a", identity: first, writers: .some, now: 0)
        tracker.noteFinished("a", now: 1000 * millisecond)
        #expect(
            tracker.observe("a", identity: second, writers: .none, now: 1001 * millisecond)
                == .wait(until: 1300 * millisecond)
        )
        #expect(tracker.observe("a", identity: second, writers: .none, now: 1300 * millisecond) == .settled)
    }

    @Test("a finished file that changes again has to stand still")
    func finishedThenChanged() {
        var tracker = tracker
        tracker.noteFinished("a", now: 0)
        _ = tracker.observe("a", identity: first, writers: .none, now: 1 * millisecond)
        #expect(
            tracker.observe("a", identity: second, writers: .none, now: 200 * millisecond)
                == .wait(until: 2200 * millisecond)
        )

        tracker.noteFinished("b", now: 0)
        tracker.noteChanged("b", now: 100 * millisecond)
        #expect(
            tracker.observe("b", identity: first, writers: .none, now: 400 * millisecond)
                == .wait(until: 2100 * millisecond)
        )
    }

    @Test("a known writer keeps a file from being settled, however long")
    func writer() {
        var tracker = tracker
        #expect(
            tracker.observe("a", identity: first, writers: .some, now: 0) == .wait(until: 2000 * millisecond)
        )
        #expect(
            tracker.observe("a", identity: first, writers: .some, now: 9000 * millisecond)
                == .wait(until: 11_000 * millisecond)
        )
        #expect(
            tracker.observe("a", identity: first, writers: .none, now: 9500 * millisecond)
                == .wait(until: 11_000 * millisecond)
        )
    }

    @Test("a writer seen just after its close costs a short wait only")
    func writerAfterClose() {
        var tracker = tracker
        tracker.noteFinished("a", now: 0)
        #expect(
            tracker.observe("a", identity: first, writers: .some, now: 1 * millisecond)
                == .wait(until: 301 * millisecond)
        )
        #expect(tracker.observe("a", identity: first, writers: .none, now: 301 * millisecond) == .settled)
    }

    @Test("where writers cannot be told, an event does not shorten the wait")
    func unknownWriters() {
        var tracker = tracker
        tracker.noteFinished("a", now: 0)
        #expect(
            tracker.observe("a", identity: first, writers: .unknown, now: 300 * millisecond)
                == .wait(until: 2000 * millisecond)
        )
        #expect(tracker.observe("a", identity: first, writers: .unknown, now: 2000 * millisecond) == .settled)
    }

    @Test("a forgotten file starts over")
    func forgotten() {
        var tracker = tracker
        for name in ["a", "b"] { _ = tracker.observe(name, identity: first, writers: .none, now: 0) }
        tracker.retain(only: ["a"])
        let later = 2000 * millisecond
        #expect(tracker.observe("a", identity: first, writers: .none, now: later) == .settled)
        #expect(tracker.observe("b", identity: first, writers: .none, now: later) == .wait(until: 2 * later))
    }

    @Test("no settle time means at once, and the longest means never")
    func extremes() {
        var tracker = SettleTracker(settle: .zero)
        #expect(tracker.observe("a", identity: first, writers: .none, now: 0) == .settled)
        tracker = SettleTracker(settle: .seconds(Int64.max))
        #expect(tracker.observe("a", identity: first, writers: .none, now: 5) == .wait(until: .max))
    }
}

@Suite("A file's identity")
struct FileIdentityTests {
    @Test("survives being written down")
    func roundTrip() throws {
        let identity = FileIdentity(inode: .max, size: 7, modified: -5, changed: 1_700_000_000_123_456_789)
        #expect(
            identity.description == "inode=18446744073709551615 size=7 mtime=-5 ctime=1700000000123456789"
        )
        #expect(FileIdentity(identity.description) == identity)
    }

    @Test(
        "is not made of other text",
        arguments: ["", "inode=1 size=2 mtime=3", "1 2 3 4", "inode=1 size=-2 mtime=3 ctime=4"]
    )
    func malformed(text: String) { #expect(FileIdentity(text) == nil) }

    @Test("changes with the content, also when the size stays and the mtime is put back")
    func sameSizeRewrite() async throws {
        let folder = try TemporaryDirectory("identity")
        let path = try folder.write("one", to: "file")
        try await check("touch", ["-d", "@1700000000", path.string])
        let before = try #require(try FileStatus.of(path))
        try folder.write("two", to: "file")
        try await check("touch", ["-d", "@1700000000", path.string])
        let after = try #require(try FileStatus.of(path))
        #expect(before.modified == after.modified && before.size == after.size)
        #expect(FileIdentity(before) != FileIdentity(after))
    }
}
