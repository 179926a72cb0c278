import Foundation
import Glibc
import Host
import OCI
import SystemPackage
import TestSupport
import Testing

@Suite("An inbox in trouble")
struct TroubleTests {
    private func tar(_ content: String = "content") -> [UInt8] {
        var tar = TarBuilder()
        tar.addFile("etc/hostname", content)
        return tar.finish()
    }

    private func running(_ installation: Installation, through wrapper: [String] = []) async throws
        -> RunningAgent
    {
        let agent = try RunningAgent(installation, through: wrapper)
        try await eventually("the agent to run") { try agent.output().contains("first pass") }
        return agent
    }

    /// What `status` says of the inbox as a whole, whether all is well or not.
    private func report(of installation: Installation) async throws -> [String: Any] {
        let result = try await installation.slipway("status", "-o", "json")
        let report = try JSONSerialization.jsonObject(with: Data(result.output.utf8)) as? [String: Any]
        return try #require(report?["inbox"] as? [String: Any], "\(result.errors)")
    }

    @Test("when the kernel drops events, the inbox is looked at anew, and the loss is counted")
    func overflow() async throws {
        let installation = try Installation()
        let agent = try await running(installation)
        try await eventually("the inbox to be watched") {
            try agent.output().contains("the inbox is watched")
        }
        let limit = try #require(
            Int(
                String(
                    decoding: try AtomicFile.read("/proc/sys/fs/inotify/max_queued_events") ?? [],
                    as: UTF8.self
                )
                .filter(\.isNumber)
            )
        )
        agent.send(SIGSTOP)
        // Hidden names: nothing to do for the inbox, but the kernel reports each of them.
        try await installation.inInbox("for i in $(seq \(limit / 2 + 1000)); do : >.x$i; done")
        try installation.drop(tar(), into: "inbox/lost.tar")
        agent.send(SIGCONT)
        try await eventually("the file whose event was lost") { try installation.stands("lost.tar", "done") }
        try await eventually("the loss to be said") { try agent.output().contains("events were lost") }
        #expect(try await report(of: installation)["lostEvents"] as? Int ?? 0 > 0)
        try await agent.stop()
    }

    @Test("where no watch is to be had the inbox is polled, and status says so")
    func noWatch() async throws {
        let installation = try Installation(settings: "inbox: { rescan: 1h, settle: 300ms }\n")
        // A name space of its own has limits of its own.
        let script = #"echo 0 >/proc/sys/user/max_inotify_instances; exec "$@""#
        let agent = try await running(
            installation,
            through: ["unshare", "--user", "--map-root-user", "sh", "-c", script, "sh"]
        )
        try await eventually("the trouble to be said") { try agent.output().contains("the inbox is polled") }
        try installation.drop(tar(), into: "inbox/web.tar")
        try await eventually("the file to be found") { try installation.stands("web.tar", "done") }
        let inbox = try await report(of: installation)
        #expect((inbox["polling"] as? String)?.contains("max_user_instances") == true, "\(inbox)")
        let text = try await installation.slipway("status").output
        #expect(text.contains("looked at every few seconds"))
        try await agent.stop()
    }

    @Test(
        "a folder that is replaced, emptied or unmounted says nothing about its items until that has lasted"
    )
    func folder() async throws {
        let installation = try Installation(
            settings: "inbox: { settle: 300ms, folderSettle: 1h, rescan: 1s }\ngc: { unpinnedTTL: 0s }\n"
        )
        for name in ["a", "b", "c", "d"] { try installation.drop(tar(name), into: "inbox/\(name).tar") }
        let agent = try await running(installation)
        func pause() async throws -> String {
            try await report(of: installation)["pause"] as? String ?? ""
        }
        func images() async throws -> Int {
            try await installation.slipway("image", "ls").output.split(separator: "\n").count {
                $0.contains("localhost/")
            }
        }
        try await eventually("all to be taken") {
            try ["a", "b", "c", "d"].allSatisfy { try installation.stands("\($0).tar", "done") }
        }
        try await installation.inInbox("mv ../inbox ../aside; mkdir ../inbox")
        try await eventually("the replaced folder to be doubted") {
            try await pause().contains("another folder")
        }
        try await installation.inInbox("rmdir ../inbox; mv ../aside ../inbox")
        try await eventually("the folder to be back") { try await pause().isEmpty }

        try await installation.inInbox("mkdir ../aside; mv *.tar ../aside")
        try await eventually("the emptied folder to be doubted") {
            try await pause().contains("at one stroke")
        }
        try await installation.inInbox("mv ../aside/* .; rmdir ../aside")
        try await eventually("the files to be back") { try await pause().isEmpty }
        // Another file, taken by a pass that saw them all: what goes from now on goes by itself.
        try installation.drop(tar("f"), into: "inbox/f.tar")
        try await eventually("another file to be taken") { try installation.stands("f.tar", "done") }

        try await installation.inInbox("rm d.tar")
        try await eventually("one deleted file to be believed at once") { try await images() == 4 }
        #expect(try agent.output().contains("gone from the inbox"))

        // A file system over the folder, as before its mount and after its end.
        let inbox = installation.root.appending("inbox").string
        try await check("mount", ["-t", "tmpfs", "none", inbox])
        do {
            try await eventually("what lies over the folder to be doubted") { !(try await pause().isEmpty) }
            try await check("umount", ["-l", inbox])
        } catch {
            _ = try await run("umount", ["-l", inbox])
            throw error
        }
        try await eventually("the folder to be seen again") { try await pause().isEmpty }
        try installation.drop(tar("e"), into: "inbox/e.tar")
        try await eventually("a new file to be taken") { try installation.stands("e.tar", "done") }
        #expect(try await images() == 5)
        try await agent.stop()
    }

    @Test("what fails for good is tried again when asked, or when the file changes")
    func failures() async throws {
        let installation = try Installation(settings: "inbox: { settle: 300ms, rescan: 1s }\n")
        let agent = try await running(installation)
        try installation.drop(Array(tar()[..<600]), into: "inbox/web.tar")
        try await eventually("the failure") { try installation.stands("web.tar", "failed") }
        func attempts() throws -> Int? { try installation.receipt("web.tar")?["attempts"] as? Int }
        #expect(try attempts() == 1)
        #expect(try installation.receipt("web.tar")?["nextTry"] == nil)
        #expect(try await installation.slipway("retry", "inbox/web.tar").status == 0)
        try await eventually("another try") { try agent.output().matches(of: /import failed/).count == 2 }
        let status = try await installation.slipway("status", "inbox/web.tar")
        #expect(status.status == 3 && status.output.contains("truncated"))
        try installation.drop(tar(), into: "inbox/web.tar")
        try await eventually("the good file") { try installation.stands("web.tar", "done") }
        #expect(try await installation.slipway("status", "inbox/web.tar").status == 0)
        try await agent.stop()
    }

    @Test("a full disk stops imports, loses nothing, and is over when there is room")
    func fullDisk() async throws {
        let installation = try Installation(
            settings: "inbox: { settle: 300ms, rescan: 1s }\nstore: { reserve: 1MiB }\n"
        )
        let store = installation.root.appending("store").string
        try await check("mkdir", ["-p", store])
        try await check("mount", ["-t", "tmpfs", "-o", "size=12m", "none", store])
        do {
            try installation.drop(noisyTar(24 << 20), into: "inbox/large.tar")
            try installation.drop(tar(), into: "inbox/small.tar")
            let agent = try await running(installation)
            try await eventually("the large one to find no room") {
                try installation.receipt("large.tar")?["errorCode"] as? String == "noSpace"
            }
            try await eventually("the small one to be taken all the same") {
                try installation.stands("small.tar", "done")
            }
            #expect(try installation.receipt("large.tar")?["nextTry"] is String)
            #expect(try await installation.files(below: "store/temp").isEmpty)
            // Less than the reserve: nothing is even begun.
            try await check("dd", ["if=/dev/zero", "of=\(store)/filler", "bs=1M", "count=11", "status=none"])
            try installation.drop(tar("other"), into: "inbox/other.tar")
            try await eventually("the other one to be held back") {
                let receipt = try installation.receipt("other.tar")
                return receipt?["errorCode"] as? String == "noSpace"
                    && receipt?["state"] as? String == "waiting"
            }
            try await check("mount", ["-o", "remount,size=200m", store])
            try await eventually("the other one to be taken") { try installation.stands("other.tar", "done") }
            #expect(try await installation.slipway("retry", "inbox/large.tar").status == 0)
            try await eventually("the large one to be taken") { try installation.stands("large.tar", "done") }
            try await agent.stop()
            try await check("umount", ["-l", store])
        } catch {
            _ = try await run("umount", ["-l", store])
            throw error
        }
    }

    @Test("killed in the midst of an import, the next process does it anew and leaves nothing behind")
    func killed() async throws {
        let installation = try Installation(settings: "inbox: { settle: 300ms }\n")
        try installation.drop(noisyTar(96 << 20), into: "inbox/large.tar")
        for _ in 0..<3 {
            let agent = try RunningAgent(installation)
            try await eventually("work in flight") {
                let temp = installation.root.pushing("store/temp")
                return try FileStatus.of(temp) != nil && !Directory.names(in: temp).isEmpty
            }
            agent.kill()
            if try installation.stands("large.tar", "done") { break }
        }
        let agent = try await running(installation)
        try await eventually("the image") { try installation.stands("large.tar", "done") }
        try await agent.stop()
        let left = try await installation.files(below: "store/temp")
        #expect(left.isEmpty, "\(left)")
        #expect(try await installation.slipway("store", "verify").status == 0)
    }

    @Test("of two archives that claim one reference the newest has it, and the other has it again afterwards")
    func conflict() async throws {
        let installation = try Installation(settings: "inbox: { settle: 300ms }\n")
        let folder = installation.folder
        for name in ["one", "two"] {
            try folder.write(tar(name), to: "\(name).tar")
            try await check(
                "bash",
                [
                    "-ec",
                    """
                    cd \(folder.path); umoci init --layout \(name); umoci new --image \(name):x
                    umoci raw add-layer --image \(name):x \(name).tar
                    skopeo --insecure-policy copy -q oci:\(name):x docker-archive:\(name)-image.tar:example.org/web:1
                    """,
                ]
            )
        }
        let agent = try await running(installation)
        try await installation.inInbox("cp \(folder.path)/one-image.tar one.tar")
        try await eventually("the first") { try installation.stands("one.tar", "done") }
        try await installation.inInbox("cp \(folder.path)/two-image.tar two.tar")
        try await eventually("the second") { try installation.stands("two.tar", "done") }
        func meaning() async throws -> String? {
            try await installation.json("image", "inspect", "example.org/web:1")["digest"] as? String
        }
        #expect(try await meaning() == installation.receipt("two.tar")?["digest"] as? String)
        let warnings = try installation.receipt("two.tar")?["warnings"] as? [String] ?? []
        #expect(
            warnings.contains { $0.contains("inbox/one.tar") && $0.contains("inbox/two.tar") },
            "\(warnings)"
        )
        let status = try await installation.slipway("status")
        #expect(status.output.contains("example.org/web:1: means what inbox/two.tar says, not inbox/one.tar"))
        try await installation.inInbox("rm two.tar")
        try await eventually("the first to hold again") {
            try await meaning() == installation.receipt("one.tar")?["digest"] as? String
        }
        try await agent.stop()
    }
}
