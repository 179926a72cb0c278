import Foundation
import Host
import SystemPackage
import TestSupport
import Testing

@Suite("Bad input, by name")
struct BadInputTests {
    private func phase(_ vm: String, of installation: Installation) throws -> String? {
        try installation.document("vms/\(vm)/status.json")?["phase"] as? String
    }

    @Test("a wrong key of the configuration ends with 78, its place and the nearest key")
    func configuration() async throws {
        let installation = try Installation(settings: "inbox:\n  setle: 2s\n")
        for arguments in [["agent", "--once"], ["config", "check"]] {
            let result = try await installation.slipway(arguments[0], arguments[1])
            #expect(result.status == 78)
            #expect(result.errors.contains("config.yaml:2:3") && result.errors.contains("settle"))
        }
    }

    @Test("a broken tar gets a receipt with its reason, and the others go on")
    func brokenTar() async throws {
        let installation = try Installation()
        var tar = TarBuilder()
        tar.addFile("a", "a")
        try installation.drop(tar.finish(), into: "inbox/good.tar")
        try installation.drop(Array(tar.finish()[..<600]), into: "inbox/cut.tar")
        try installation.drop(Array("<html>404</html>".utf8), into: "inbox/page.tar")
        try installation.drop([], into: "inbox/empty.tar")
        let result = try await installation.slipway("agent", "--once")
        #expect(result.status == 3)
        #expect(try installation.document("receipts/inbox/good.tar.json")?["state"] as? String == "done")
        for (item, code) in [("cut.tar", "truncated"), ("page.tar", "notATar"), ("empty.tar", "notATar")] {
            let receipt = try #require(try installation.document("receipts/inbox/\(item).json"))
            #expect(receipt["state"] as? String == "failed")
            #expect(receipt["errorCode"] as? String == code, "\(item)")
            #expect((receipt["message"] as? String)?.contains(item) == true)
        }
    }

    @Test(
        "a bad request is invalid, says where and why, and writes no config",
        arguments: [
            (#"{ "image": "x", "cpuz": 1 }"#, "cpus"), (#"{ "image": "x", "cpus": 0 }"#, "cpus"),
            (#"{ "image": "x", "name": "../x" }"#, "name"), (#"{ "cpus": 1 }"#, "image"),
            (
                #"{ "image": "x", "cloudHypervisor": { "serial": { "mode": "File", "file": "/etc/cron.d/x" } } }"#,
                "/etc/cron.d/x"
            ), (#"{ "image": "x", "cloudHypervisor": { "disks": [] } }"#, "disks"),
        ]
    )
    func request(text: String, reason: String) async throws {
        let installation = try Installation()
        var tar = TarBuilder()
        tar.addBootFiles()
        try installation.drop(tar.finish(), into: "inbox/x.tar")
        try installation.drop(Array(text.utf8), into: "requests/vm.json")
        let result = try await installation.slipway("agent", "--once")
        #expect(result.status == 3, "\(result.errors)")
        #expect(try installation.config(of: "vm") == nil)
        let status = try await installation.slipway("status")
        #expect((status.output + result.errors).contains(reason))
    }

    @Test("an image for another processor is refused where it comes in, and both processors are named")
    func otherArchitecture() async throws {
        #if arch(x86_64)
            let (own, other) = ("amd64", "arm64")
        #else
            let (own, other) = ("arm64", "amd64")
        #endif
        var tar = TarBuilder()
        tar.addBootFiles()
        let image = try await UmociImage([tar.finish()], config: ["--architecture=\(other)"])
        let installation = try Installation()
        try await check(
            "cp",
            [try await image.archive().string, installation.root.string + "/inbox/edge.tar"]
        )
        try installation.drop(Array(#"{ "image": "localhost/edge" }"#.utf8), into: "requests/vm.json")
        #expect(try await installation.slipway("agent", "--once").status == 3)
        let receipt = try #require(try installation.receipt("edge.tar"))
        #expect(receipt["state"] as? String == "failed")
        #expect(
            (receipt["message"] as? String)?.contains(
                "holds no image for linux/\(own), only for linux/\(other)"
            ) == true,
            "\(receipt)"
        )
        let status = try #require(try installation.document("vms/vm/status.json"))
        #expect(status["reason"] as? String == "imageNotFound")
        #expect(try installation.config(of: "vm") == nil)
    }

    @Test("of two new requests for one name neither gets it")
    func twoOfOneName() async throws {
        let installation = try Installation()
        var tar = TarBuilder()
        tar.addBootFiles()
        try installation.drop(tar.finish(), into: "inbox/x.tar")
        for file in ["a", "b"] {
            try installation.drop(
                Array(#"{ "name": "vm", "image": "x", "disk": { "size": "64MiB" } }"#.utf8),
                into: "requests/\(file).json"
            )
        }
        #expect(try await installation.slipway("agent", "--once").status == 3)
        #expect(try installation.config(of: "vm") == nil)
        try Directory.unlink(installation.root.appending("requests/b.json"))
        let result = try await installation.slipway("agent", "--once")
        #expect(result.status == 0, "\(result.errors)")
        #expect(try phase("vm", of: installation) == "ready")
    }

    @Test("a file still being written is not touched until its writer is done")
    func growing() async throws {
        let installation = try Installation(settings: "inbox: { settle: 300ms }\n")
        var tar = TarBuilder()
        tar.addFile("a", "a")
        let whole = tar.finish()
        let target = installation.root.appending("inbox/slow.tar")
        try await installation.withAgent {
            do {
                let file = try File(target, .writeOnly, options: [.create])
                try whole[..<700].withUnsafeBytes { try file.writeAll($0) }
                // Another item that comes later passes it by: the agent looked and left the open file alone.
                try installation.drop(whole, into: "inbox/quick.tar")
                try await eventually("the other file to be taken") {
                    try installation.document("receipts/inbox/quick.tar.json")?["state"] as? String == "done"
                }
                let receipt = try installation.document("receipts/inbox/slow.tar.json")
                #expect(receipt == nil || receipt?["state"] as? String == "waiting")
                try whole[700...].withUnsafeBytes { try file.writeAll($0) }
                withExtendedLifetime(file) {}
            }
            // The writer is gone with its scope.
            try await eventually("the file to be taken once closed") {
                try installation.document("receipts/inbox/slow.tar.json")?["state"] as? String == "done"
            }
        }
    }

    @Test("a second agent on the same root ends with 75")
    func secondAgent() async throws {
        let installation = try Installation()
        try await installation.withAgent {
            // Asking must not take the lock itself: it could come first.
            try await eventually("the agent to hold its lock") {
                try await installation.slipway("status", "-o", "json").output.contains(#""agentRuns": true"#)
            }
            #expect(try await installation.slipway("agent", "--once").status == 75)
        }
    }
}
