import Host
import ImageBackend
import Ingest
import OCI
import Store
import SystemPackage
import TestSupport
import Testing

@Suite("Folders of ordered tar files")
struct InboxFolderTests {
    @Test("are one image, ordered by number, with the files' sidecars")
    func ordered() async throws {
        let fixture = try InboxFixture()
        try fixture.folder.write("base", to: "inbox/web.image/1-base.tar")
        try fixture.folder.write("app", to: "inbox/web.image/10-app.tar.zst")
        try fixture.folder.write("lib", to: "inbox/web.image/2-lib.tar")
        try fixture.folder.write("half", to: "inbox/web.image/3-half.tar.part")
        let digest = Digest.sha256(of: "lib".utf8)
        try fixture.folder.write("\(digest.hex)  2-lib.tar", to: "inbox/web.image/2-lib.tar.sha256")
        try await fixture.run()
        let request = try #require(fixture.images.requests.first)
        #expect(
            request.files.map { $0.lastComponent?.string } == ["1-base.tar", "2-lib.tar", "10-app.tar.zst"]
        )
        #expect(request.promisedDigests == [nil, digest, nil])
        #expect(try await fixture.receipt("web.image")?.references == ["localhost/web:latest"])
        try await fixture.run()
        #expect(fixture.images.requests.count == 1)
    }

    @Test("wait for what their file 'layers' names, and take it in that order")
    func layersFile() async throws {
        let fixture = try InboxFixture()
        let digest = Digest.sha256(of: "b".utf8)
        try fixture.folder.write(
            "# bottom first\r\nb.tar sha256:\(digest.hex)\r\na.tar\r\n",
            to: "inbox/web.image/layers"
        )
        try fixture.folder.write("b", to: "inbox/web.image/b.tar")
        try fixture.folder.write("left over", to: "inbox/web.image/c.tar")
        try await fixture.run()
        let waiting = try #require(try await fixture.receipt("web.image"))
        #expect(waiting.state == .waiting && waiting.errorCode == InboxCode.incomplete)
        #expect(waiting.message?.contains("a.tar") == true)
        #expect(await fixture.inbox.activity.incomplete == 1)

        try fixture.folder.write("a", to: "inbox/web.image/a.tar")
        try await fixture.run()
        let request = try #require(fixture.images.requests.first)
        #expect(request.files.map { $0.lastComponent?.string } == ["b.tar", "a.tar"])
        #expect(request.promisedDigests == [digest, nil])
    }

    @Test(
        "are refused for what is no layer",
        arguments: [
            ("empty.image", "mkdir empty.image"),
            ("nested.image", "mkdir -p nested.image/inner"),
            ("linked.image", "mkdir linked.image; ln -s /etc/passwd linked.image/a.tar"),
            ("escape.image", "mkdir escape.image; echo ../a.tar > escape.image/layers"),
            (
                "digest.image",
                "mkdir digest.image; touch digest.image/a.tar; echo a.tar xyz > digest.image/layers"
            ),
        ]
    )
    func refused(name: String, script: String) async throws {
        let fixture = try InboxFixture()
        try await check("bash", ["-c", "cd \(fixture.path) && \(script)"])
        try await fixture.run()
        #expect(fixture.images.imported.isEmpty)
        let receipt = try #require(try await fixture.receipt(name))
        #expect(receipt.state == .failed && receipt.message?.contains(name) == true)
    }

    @Test("start over when a file in them changes, and are released when they go")
    func changed() async throws {
        let fixture = try InboxFixture()
        try fixture.folder.write("one", to: "inbox/web.image/a.tar")
        try await fixture.run()
        try fixture.folder.write("two", to: "inbox/web.image/a.tar")
        try await fixture.run()
        #expect(fixture.images.imported.count == 2)
        try fixture.remove("web.image")
        try await fixture.run()
        #expect(try await fixture.store.images().allSatisfy(\.pins.isEmpty))
    }

    @Test("need time unless they were renamed into place, or 'layers' is satisfied")
    func settling() async throws {
        let fixture = try InboxFixture {
            $0.settle = .seconds(100)
            $0.folderSettle = .seconds(1000)
        }
        for name in ["slow.image", "moved.image", "listed.image"] {
            try fixture.folder.write("a", to: "inbox/\(name)/a.tar")
        }
        try fixture.folder.write("a.tar", to: "inbox/listed.image/layers")
        await fixture.inbox.noteEvent(WatchEvent(folder: fixture.path, name: "moved.image", kind: .renamedIn))
        let now = try await fixture.store.tick()
        let observation = try await fixture.inbox.observe(now: now)
        func wait(_ name: String) throws -> Duration {
            let item = try #require(observation.items.first { $0.name == name })
            guard case .waiting(let until?, _, _) = item.standing else { return .zero }
            return until - now
        }
        #expect(try wait("slow.image") > .seconds(999))
        #expect(try wait("moved.image") <= .milliseconds(300))
        #expect(try wait("listed.image") <= .seconds(100) && wait("listed.image") > .seconds(99))
        #expect(await fixture.inbox.watchedFolders.count == 4)
    }
}
