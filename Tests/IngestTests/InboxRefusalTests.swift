import Host
import ImageBackend
import Ingest
import OCI
import Store
import SystemPackage
import TestSupport
import Testing

@Suite("What the inbox does not take")
struct InboxRefusalTests {
    @Test(
        "hidden files and the unfinished work of other programs are none of its business",
        arguments: [
            ".web.tar", ".web.tar.Xa3f9K", ".ansible_tmpabcweb.tar", "web.tar.part", "web.tar.tmp",
            "web.tar.filepart",
            "web.tar.crdownload", "web.tar~", ".web.tar.swp", "#web.tar#", "web.tar.sha256", "lost+found",
        ]
    )
    func ignored(name: String) async throws {
        let fixture = try InboxFixture()
        try fixture.folder.write("content", to: "inbox/\(name)")
        let observation = try await fixture.inbox.observe(now: try await fixture.store.tick())
        #expect(observation.items.isEmpty)
    }

    @Test("links, FIFOs and sockets are refused by name, whatever they lead to")
    func specialFiles() async throws {
        let fixture = try InboxFixture()
        let outside = try fixture.folder.write("content", to: "outside.tar")
        try await check("ln", ["-s", outside.string, fixture.path.appending("link.tar").string])
        try await check("mkfifo", [fixture.path.appending("pipe.tar").string])
        try await check("mknod", [fixture.path.appending("device.tar").string, "c", "1", "3"])
        try await fixture.run()
        for (name, kind) in [
            ("link.tar", "symbolic link"), ("pipe.tar", "FIFO"), ("device.tar", "character device"),
        ] {
            let receipt = try #require(try await fixture.receipt(name))
            #expect(receipt.state == .failed && receipt.errorCode == InboxCode.notARegularFile)
            #expect(receipt.message?.contains(kind) == true && receipt.message?.contains(name) == true)
        }
        try await fixture.run()
        #expect(fixture.log.count("refused") == 3)
        #expect(fixture.images.imported.isEmpty)
        #expect(await fixture.inbox.activity.failed == 3)
    }

    @Test("what neither is called a tar nor looks like one is left alone; what looks like one is taken")
    func leftAlone() async throws {
        let fixture = try InboxFixture()
        try fixture.drop("README.txt", "read me")
        try Directory.create(fixture.path.appending("folder"))
        var tar = TarBuilder()
        tar.addFile("etc/hostname", "web")
        try fixture.folder.write(tar.finish(), to: "inbox/rootfs")
        try await fixture.run()
        #expect(fixture.images.imported == ["rootfs"])
        #expect(try await fixture.receipt("README.txt") == nil)
        #expect(await fixture.inbox.activity.failed == 0)
        #expect(fixture.log.contains("item=inbox/README.txt", "neither its name nor its content"))
    }

    @Test("a name that is no reference is refused with the reason")
    func invalidName() async throws {
        let fixture = try InboxFixture()
        try fixture.drop("Web Server.tar", "content")
        try await fixture.run()
        let receipt = try #require(try await fixture.receipt("Web Server.tar"))
        #expect(
            receipt.errorCode == InboxCode.invalidReference
                && receipt.message?.contains("Web Server.tar") == true
        )
    }

    @Test("a drop claims only what the setting allows, and is taken when the setting is extended")
    func allowReferences() async throws {
        let fixture = try InboxFixture { $0.allowReferences = ["localhost/*"] }
        try fixture.drop("docker.io%2Flibrary%2Fnginx@1.tar", "content")
        try fixture.drop("web.tar", "content")
        try await fixture.run()
        #expect(try await fixture.store.images().count == 1)
        let receipt = try #require(try await fixture.receipt("docker.io%2Flibrary%2Fnginx@1.tar"))
        #expect(receipt.errorCode == InboxCode.referenceNotAllowed)
        #expect(try await fixture.pass().isEmpty)

        let again = try InboxFixture(again: fixture) {
            $0.allowReferences = ["localhost/*", "docker.io/library/*"]
        }
        try await again.run()
        #expect(again.images.imported == ["docker.io%2Flibrary%2Fnginx@1.tar"])
    }

    @Test("an inbox that everyone may write to is not read")
    func worldWritable() async throws {
        let fixture = try InboxFixture()
        try fixture.drop("web.tar", "content")
        try await fixture.run()
        try await check("chmod", ["0777", fixture.path.string])
        try fixture.drop("other.tar", "other")
        let plan = try await fixture.pass()
        #expect(plan.pause?.contains("chmod o-w") == true && plan.decisions.isEmpty)
        #expect(try await fixture.isPinned("web.tar"))
    }
}

@Suite("Digests promised beside a file")
struct InboxSidecarTests {
    private let digest = Digest.sha256(of: "content".utf8)

    @Test("a file is taken when its sidecar is right, and refused when it is not")
    func verified() async throws {
        let fixture = try InboxFixture()
        try fixture.drop("good.tar.sha256", "\(digest.hex)  good.tar\n")
        try fixture.drop("good.tar", "content")
        try fixture.drop("wrong.tar.sha256", "\(digest.hex)  wrong.tar\n")
        try fixture.drop("wrong.tar", "something else")
        try await fixture.run()
        #expect(try await fixture.receipt("good.tar")?.state == .done)
        let receipt = try #require(try await fixture.receipt("wrong.tar"))
        #expect(receipt.errorCode == "digestMismatch" && receipt.message?.contains("wrong.tar") == true)
        #expect(receipt.nextTry == nil)

        try fixture.drop("wrong.tar.sha256", "\(Digest.sha256(of: "something else".utf8).hex)  wrong.tar\n")
        try await fixture.run()
        #expect(try await fixture.receipt("wrong.tar")?.state == .done)
    }

    @Test("a sidecar without a digest for the file refuses it; an empty one is waited for")
    func malformed() async throws {
        let fixture = try InboxFixture()
        try fixture.drop("web.tar.sha256", "not a digest\n")
        try fixture.drop("web.tar", "content")
        try fixture.drop("slow.tar.sha256", "")
        try fixture.drop("slow.tar", "content")
        try await fixture.run()
        #expect(fixture.images.imported.isEmpty)
        #expect(try await fixture.receipt("web.tar")?.errorCode == InboxCode.invalidSidecar)
        let waiting = try #require(try await fixture.receipt("slow.tar"))
        #expect(waiting.state == .waiting && waiting.errorCode == InboxCode.incomplete)
        try fixture.drop("slow.tar.sha256", "\(digest.hex)\n")
        try fixture.drop("web.tar.sha256", "SHA256 (web.tar) = \(digest.hex)\n")
        try await fixture.run()
        #expect(try await fixture.receipt("slow.tar")?.state == .done)
        #expect(try await fixture.receipt("web.tar")?.state == .done)
    }

    @Test("nothing is taken without one where that is asked for")
    func required() async throws {
        let fixture = try InboxFixture { $0.requiresDigest = true }
        try fixture.drop("web.tar", "content")
        try fixture.folder.write("a", to: "inbox/some.image/1.tar")
        try fixture.folder.write("b", to: "inbox/some.image/2.tar")
        try fixture.folder.write("\(Digest.sha256(of: "a".utf8).hex)", to: "inbox/some.image/1.tar.sha256")
        try await fixture.run()
        #expect(fixture.images.imported.isEmpty)
        for name in ["web.tar", "some.image"] {
            let receipt = try #require(try await fixture.receipt(name))
            #expect(receipt.state == .waiting && receipt.errorCode == InboxCode.noDigest)
            #expect(receipt.message?.contains(".sha256") == true)
        }
        #expect(await fixture.inbox.activity.incomplete == 2)
        try fixture.drop("web.tar.sha256", "\(digest.hex)  web.tar\n")
        try fixture.folder.write("\(Digest.sha256(of: "b".utf8).hex)", to: "inbox/some.image/2.tar.sha256")
        try await fixture.run()
        #expect(try await fixture.receipt("web.tar")?.state == .done)
        #expect(try await fixture.receipt("some.image")?.state == .done)
    }

    @Test("a sidecar that comes before the new file leaves the old one in place")
    func sidecarFirst() async throws {
        let fixture = try InboxFixture()
        try fixture.drop("web.tar", "content")
        try await fixture.run()
        try fixture.drop("web.tar.sha256", "\(Digest.sha256(of: "new".utf8).hex)  web.tar\n")
        try await fixture.run()
        #expect(try await fixture.pins("web.tar").count == 1)
        #expect(try await fixture.record("web.tar")?.state == .done)
        try fixture.drop("web.tar", "new")
        try await fixture.run()
        #expect(try await fixture.receipt("web.tar")?.state == .done)
        #expect(fixture.images.imported.count == 2)
    }
}
