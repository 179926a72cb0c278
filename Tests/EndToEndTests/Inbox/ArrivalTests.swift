import Foundation
import Host
import OCI
import SystemPackage
import TestSupport
import Testing

@Suite("How files come into the inbox")
struct ArrivalTests {
    private func tar(_ content: String = "content") -> [UInt8] {
        var tar = TarBuilder()
        tar.addFile("etc/hostname", content)
        return tar.finish()
    }

    private static let quick = "inbox: { settle: 500ms, folderSettle: 500ms }\n"

    @Test("each way a program has to put a file there is followed to its end")
    func ways() async throws {
        let installation = try Installation(settings: Self.quick)
        let source = try installation.folder.write(tar(), to: "source.tar").string
        let ways = [
            ("copied", "cp \(source) copied.tar"),
            ("moved", "cp \(source) ../moved; mv ../moved moved.tar"),
            // As sftp servers rename: a link, then the old name goes.
            ("linked", "cp \(source) ../linked; ln ../linked linked.tar; rm ../linked"),
            ("installed", "install -m 640 \(source) installed.tar"),
            ("fetched", "curl -s -o fetched.tar file://\(source)"),
            ("synced", "rsync -a \(source) synced.tar"),
            ("resynced", "rsync -a --inplace \(source) resynced.tar"),
            ("partial", "cp \(source) partial.tar.part; sleep 1; mv partial.tar.part partial.tar"),
            ("ansible", "cp \(source) .ansible_tmpx1ansible.tar; mv .ansible_tmpx1ansible.tar ansible.tar"),
            // Closed half way, and opened again soon.
            ("appended", "head -c 700 \(source) >appended.tar; tail -c +701 \(source) >>appended.tar"),
            // Open all the time, with pauses longer than any settling.
            ("slow", "(head -c 700 \(source); sleep 1.5; tail -c +701 \(source)) >slow.tar"),
            (
                "preallocated",
                "fallocate -l 10240 preallocated.tar; dd if=\(source) of=preallocated.tar conv=notrunc status=none"
            ),
            ("rewritten", "echo nothing >rewritten.tar; sleep 0.1; cp \(source) rewritten.tar"),
            ("old", "cp \(source) ../old; touch -d @1 ../old; mv ../old old.tar"),
            ("future", "cp \(source) ../future; touch -d 2100-01-01 ../future; mv ../future future.tar"),
        ]
        let agent = try RunningAgent(installation)
        try await eventually("the agent to run") { try agent.output().contains("first pass") }
        try await withThrowingTaskGroup { group in
            for (_, script) in ways { group.addTask { try await installation.inInbox(script) } }
            try await group.waitForAll()
        }
        for (name, _) in ways {
            try await eventually("\(name).tar to be taken") { try installation.stands("\(name).tar", "done") }
            let receipt = try #require(try installation.receipt("\(name).tar"))
            let digest = Digest.sha256(of: name == "preallocated" ? try padded(source) : tar())
            #expect(
                (receipt["layers"] as? [[String: Any]])?.first?["diffID"] as? String == digest.description,
                "\(name)"
            )
        }
        // One content under many names is one image, pinned by all; each receipt but one says so.
        let others = try ways.filter { $0.0 != "preallocated" }.filter {
            try installation.receipt("\($0.0).tar")?["duplicateOf"] is String
        }
        #expect(others.count >= ways.count - 2)
        try await agent.stop()
    }

    private func padded(_ source: String) throws -> [UInt8] {
        let bytes = tar()
        return bytes + [UInt8](repeating: 0, count: max(0, 10240 - bytes.count))
    }

    @Test("what is no file of its own is refused by name, and what is unfinished or hidden is left alone")
    func refused() async throws {
        let installation = try Installation(settings: Self.quick)
        let source = try installation.folder.write(tar(), to: "source.tar").string
        try await installation.inInbox(
            """
            ln -s \(source) link.tar
            mkfifo pipe.tar
            mknod device.tar c 1 3
            python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind("socket.tar")'
            mkdir folder; cp \(source) folder/inner.tar
            ln -s /etc linked.image
            mkdir nested.image nested.image/inner; cp \(source) nested.image/a.tar
            for name in .hidden.tar part.tar.part tmp.tar.tmp win.tar.filepart chrome.tar.crdownload edit.tar~ .x.tar.swp
            do cp \(source) $name; done
            echo 'notes on these images' >README; sed -i s/notes/more/ README
            """
        )
        let result = try await installation.slipway("agent", "--once")
        #expect(result.status == 3)
        let refused = [
            "link.tar": "notARegularFile", "pipe.tar": "notARegularFile", "device.tar": "notARegularFile",
            "socket.tar": "notARegularFile", "linked.image": "notARegularFile",
            "nested.image": "invalidFolder",
        ]
        for (name, code) in refused {
            let receipt = try #require(try installation.receipt(name), "\(name)")
            #expect(
                receipt["state"] as? String == "failed" && receipt["errorCode"] as? String == code,
                "\(name)"
            )
            #expect((receipt["message"] as? String)?.contains(name) == true)
        }
        #expect(try await installation.files(below: "receipts/inbox").count == refused.count)
        #expect(result.errors.contains("README") && result.errors.contains("folder"))
        let images = try await installation.slipway("image", "ls")
        #expect(!images.output.contains("localhost/"))
    }

    @Test("image folders are taken when they are complete, however they come")
    func folders() async throws {
        let installation = try Installation(settings: "inbox: { settle: 300ms, folderSettle: 1s }\n")
        let files = try (0..<3).map { number in
            try installation.folder.write(tar("layer \(number)"), to: "\(number).tar").string
        }
        let agent = try RunningAgent(installation)
        try await eventually("the agent to run") { try agent.output().contains("first pass") }
        // Written in place, file by file.
        try await installation.inInbox(
            "mkdir slow.image; cd slow.image; for f in \(files.joined(separator: " ")); do sleep 0.4; cp $f .; done"
        )
        // Moved in whole: one event, none for what is in it.
        try await installation.inInbox(
            "mkdir ../moved; cp \(files.joined(separator: " ")) ../moved; mv ../moved moved.image"
        )
        // As its own list says, with digests; the last file comes late.
        let digests = try (0..<3).map {
            Digest.sha256(of: try installation.folder.bytes(of: "\($0).tar")).hex
        }
        try await installation.inInbox(
            """
            mkdir listed.image; cd listed.image
            printf '2.tar \(digests[2])\\n0.tar\\n1.tar \(digests[1])\\n' >layers; cp \(files[0]) \(files[1]) .
            """
        )
        try await eventually("the missing file to be waited for") {
            try installation.receipt("listed.image")?["errorCode"] as? String == "incomplete"
        }
        try await installation.inInbox("cp \(files[2]) listed.image/")
        for (name, order) in [("slow", [0, 1, 2]), ("moved", [0, 1, 2]), ("listed", [2, 0, 1])] {
            try await eventually("\(name).image to be taken") {
                try installation.stands("\(name).image", "done")
            }
            let layers = try installation.receipt("\(name).image")?["layers"] as? [[String: Any]]
            #expect(
                layers?.map { $0["diffID"] as? String } == order.map { "sha256:\(digests[$0])" },
                "\(name)"
            )
        }
        try await agent.stop()
    }

    @Test("a digest that is promised beside a file is waited for where it has to be, and has to be right")
    func digests() async throws {
        let installation = try Installation(
            settings: "inbox: { settle: 300ms, requireDigest: true }\n"
        )
        try installation.drop(tar("right"), into: "inbox/right.tar")
        try installation.drop(tar("wrong"), into: "inbox/wrong.tar")
        let agent = try RunningAgent(installation)
        try await eventually("both to wait") {
            try ["right.tar", "wrong.tar"].allSatisfy {
                try installation.receipt($0)?["errorCode"] as? String == "noDigest"
            }
        }
        try await installation.inInbox(
            "sha256sum right.tar >right.tar.sha256; sha256sum right.tar | sed s/right/wrong/ >wrong.tar.sha256"
        )
        try await eventually("the right one to be taken") { try installation.stands("right.tar", "done") }
        try await eventually("the wrong one to be refused") {
            try installation.receipt("wrong.tar")?["errorCode"] as? String == "digestMismatch"
        }
        try await installation.inInbox("sha256sum wrong.tar >wrong.tar.sha256")
        try await eventually("the corrected one to be taken") { try installation.stands("wrong.tar", "done") }
        try await agent.stop()
    }

    @Test(
        "a process that starts anew imports nothing again, and takes what came and lets go what went meanwhile"
    )
    func restart() async throws {
        let installation = try Installation(settings: Self.quick)
        for name in ["stays", "changes", "goes", "touched"] {
            try installation.drop(tar(name), into: "inbox/\(name).tar")
        }
        #expect(try await installation.slipway("agent", "--once").status == 0)
        let before = try installation.receipt("stays.tar")?["timings"] as? [String: Any]
        try await installation.inInbox(
            """
            rm goes.tar; touch -d @1700000000 touched.tar
            stat -c %Y changes.tar >../time
            sed -i s/changes/CHANGES/ changes.tar; touch -d @$(cat ../time) changes.tar
            """
        )
        try installation.drop(tar("comes"), into: "inbox/comes.tar")
        let plan = try await installation.slipway("plan")
        #expect(!plan.output.contains("stays.tar"))
        let result = try await installation.slipway("agent", "--once")
        #expect(result.status == 0, "\(result.errors)")
        #expect(!result.errors.contains("inbox/stays.tar"))
        #expect(result.errors.contains("has the content that was imported before"))
        let after = try installation.receipt("stays.tar")?["timings"] as? [String: Any]
        #expect(after as NSDictionary? == before as NSDictionary?)
        #expect(try installation.receipt("goes.tar") == nil)
        #expect(try installation.stands("comes.tar", "done"))
        let image = try await installation.json("image", "inspect", "localhost/changes")
        let diffIDs = (image["layers"] as? [[String: Any]])?.map { $0["diffID"] as? String }
        #expect(diffIDs == [Digest.sha256(of: tar("CHANGES")).description])
        // An image that lost its pin by other hands has it again.
        _ = try await installation.slipway("image", "unpin", "localhost/stays")
        #expect(try await installation.slipway("agent", "--once").status == 0)
        let pins = try await installation.json("image", "inspect", "localhost/stays")["pins"] as? [String]
        #expect(pins?.contains("inbox/stays.tar") == true)
    }
}
