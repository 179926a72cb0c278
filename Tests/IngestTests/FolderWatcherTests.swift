import Host
import Ingest
import SystemPackage
import TestSupport
import Testing

@Suite("Watching folders", .timeLimit(.minutes(1)))
struct FolderWatcherTests {
    /// Reads events until one fits.
    private func wait(
        _ watcher: FolderWatcher,
        for kind: WatchEvent.Kind,
        _ name: FilePath.Component? = nil
    ) async -> WatchEvent? {
        for await event in watcher.events where event.kind == kind && event.name == name { return event }
        return nil
    }

    private func watching(_ folder: FilePath) async -> FolderWatcher {
        let watcher = FolderWatcher()
        watcher.watch([folder])
        _ = await wait(watcher, for: .watching)
        return watcher
    }

    @Test("tells how a file came: renamed in, written, linked, removed")
    func kinds() async throws {
        let folder = try TemporaryDirectory("watch")
        let inbox = folder.appending("inbox")
        try Directory.create(inbox)
        let watcher = await watching(inbox)
        #expect(watcher.states[inbox] == .watching)

        try folder.write("a", to: "inbox/written.tar")
        #expect(await wait(watcher, for: .created, "written.tar") != nil)
        #expect(await wait(watcher, for: .closedAfterWriting, "written.tar") != nil)
        let outside = try folder.write("b", to: "outside")
        try await check("ln", [outside.string, inbox.appending("linked.tar").string])
        #expect(await wait(watcher, for: .created, "linked.tar") != nil)
        try Directory.rename(outside, to: inbox.appending("moved.tar"))
        // A rename onto another link of the same file does nothing (rename(2)); this name is new.
        #expect(await wait(watcher, for: .renamedIn, "moved.tar") != nil)
        try Directory.create(folder.appending("web.image/inner"))
        try Directory.rename(folder.appending("web.image"), to: inbox.appending("web.image"))
        #expect(await wait(watcher, for: .renamedIn, "web.image") != nil)
        try Directory.unlink(inbox.appending("moved.tar"))
        #expect(await wait(watcher, for: .removed, "moved.tar") != nil)
        await watcher.stop()
    }

    @Test("a folder that is replaced, or comes later, is watched again")
    func replaced() async throws {
        let folder = try TemporaryDirectory("watch")
        let inbox = folder.appending("inbox")
        let watcher = FolderWatcher()
        watcher.watch([inbox])
        #expect(await wait(watcher, for: .folderGone) != nil)
        for round in 0..<2 {
            try Directory.create(inbox)
            #expect(await wait(watcher, for: .watching) != nil)
            try folder.write("a", to: "inbox/\(round).tar")
            #expect(await wait(watcher, for: .closedAfterWriting, FilePath.Component("\(round).tar")) != nil)
            if round == 0 {
                try Directory.removeTree(inbox)
            } else {
                try Directory.rename(inbox, to: folder.appending("aside"))
            }
            #expect(await wait(watcher, for: .folderGone) != nil)
        }
        await watcher.stop()
    }

    @Test("two watchers of one folder, under two names, both hear")
    func shared() async throws {
        let folder = try TemporaryDirectory("watch")
        let inbox = folder.appending("inbox")
        let alias = folder.appending("alias")
        try Directory.create(inbox)
        try await check("ln", ["-s", inbox.string, alias.string])
        let first = await watching(inbox)
        let second = await watching(alias)
        try folder.write("a", to: "inbox/a.tar")
        #expect(await wait(first, for: .closedAfterWriting, "a.tar")?.folder == inbox)
        #expect(await wait(second, for: .closedAfterWriting, "a.tar")?.folder == alias)
        await first.stop()
        try folder.write("b", to: "inbox/b.tar")
        #expect(await wait(second, for: .closedAfterWriting, "b.tar") != nil)
        await second.stop()
    }

    @Test("says so where changes made elsewhere cannot be seen")
    func blind() async throws {
        let folder = try TemporaryDirectory("watch")
        let watcher = FolderWatcher(fileSystem: { _ in
            FileSystemStatus(type: 0x6969, totalBytes: 0, availableBytes: 0, freeInodes: nil)
        })
        watcher.watch([folder.path])
        for await event in watcher.events {
            guard case .degraded(let reason) = event.kind else { continue }
            #expect(reason.contains("0x6969"))
            break
        }
        guard case .blind = watcher.states[folder.path] else {
            Issue.record("\(watcher.states)")
            return
        }
        await watcher.stop()
    }

    @Test("leaves out hidden names where it is told to")
    func hidden() async throws {
        let folder = try TemporaryDirectory("watch")
        let watcher = FolderWatcher(skipsHidden: true)
        watcher.watch([folder.path])
        _ = await wait(watcher, for: .watching)
        try folder.write("a", to: ".hidden.tar")
        try folder.write("b", to: "seen.tar")
        var names: Set<FilePath.Component?> = []
        for await event in watcher.events {
            names.insert(event.name)
            if event.kind == .closedAfterWriting { break }
        }
        #expect(names == ["seen.tar"])
        await watcher.stop()
    }

    @Test("a stopped watcher ends, and another may start")
    func stopped() async throws {
        let folder = try TemporaryDirectory("watch")
        for _ in 0..<2 {
            let watcher = await watching(folder.path)
            await watcher.stop()
            for await _ in watcher.events {}
        }
    }
}
