import Documents
import Host
import SystemPackage
import TestSupport
import Testing

@Suite("Exit codes", .timeLimit(.minutes(2)))
struct ExitCodeTests {
    @Test("0 for a round that leaves nothing undone; 3 for one that leaves something")
    func rounds() async throws {
        let program = try Program()
        try program.drop()
        let first = try await program.run("agent", "--once")
        #expect(first.status == 0, "\(first.errors)")
        #expect(first.output.isEmpty)
        try program.folder.write("{\"image\": \"localhost/none\"}", to: "root/requests/a.json")
        let second = try await program.run("agent", "--once")
        #expect(second.status == 3)
        #expect(second.errors.contains("imageNotFound"))
        let status = try await program.run("status")
        #expect(status.status == 3)
        #expect(status.output.contains("vm/a"))
        #expect(try await program.run("status", "inbox/web.tar").status == 0)
    }

    @Test("1 for deleting what an input wants, which is named")
    func wanted() async throws {
        let program = try Program()
        try program.drop()
        #expect(try await program.run("agent", "--once").status == 0)
        let result = try await program.run("image", "rm", "web")
        #expect(result.status == 1)
        #expect(result.errors == "slipway: web is still wanted by inbox/web.tar: take it out there first\n")
        #expect(try await program.json("image", "ls")["images"]?.array?.count == 1)
    }

    @Test(
        "4 for what is not there",
        arguments: [
            ["image", "inspect", "none"], ["image", "rm", "none"], ["image", "pin", "none"],
            ["vm", "inspect", "none"],
            ["vm", "reset", "none"], ["status", "vm/none"], ["retry", "inbox/none"],
            ["snapshot", "mounts", "none"],
            ["gc", "--explain", "sha256:\(String(repeating: "0", count: 64))"],
        ]
    )
    func notFound(arguments: [String]) async throws {
        let program = try Program()
        #expect(try await program.run("agent", "--once").status == 0)
        let result = try await TestSupport.run(program.path.string, arguments + program.options)
        #expect(result.status == 4, "\(result.errors)")
    }

    @Test("4 for a root without a store, and none is made")
    func noStore() async throws {
        let program = try Program()
        for arguments in [["status"], ["plan"], ["image", "ls"], ["store", "usage"], ["gc"]] {
            #expect(try await TestSupport.run(program.path.string, arguments + program.options).status == 4)
        }
        #expect(try FileStatus.of(program.root.appending("store")) == nil)
    }

    @Test(
        "64 for wrong usage",
        arguments: [
            ["bogus"], ["agent", "--timeout", "5s"], ["status", "web-1"], ["image", "import", "a"],
        ]
    )
    func usage(arguments: [String]) async throws {
        let program = try Program()
        #expect(try await TestSupport.run(program.path.string, arguments).status == 64)
    }

    @Test("75 where another agent runs")
    func busy() async throws {
        let program = try Program()
        let lock = try File(program.root.appending("agent.lock"), .readWrite, options: .create)
        #expect(try lock.tryLock())
        for arguments in [["agent"], ["agent", "--once"]] {
            let result = try await TestSupport.run(program.path.string, arguments + program.options)
            #expect(result.status == 75)
            #expect(result.errors.contains("another agent runs on \(program.root)"))
        }
        withExtendedLifetime(lock) {}
    }

    @Test("78 for a configuration that cannot be used, with its place")
    func configuration() async throws {
        let program = try Program(settings: "inbox:\n  setle: 2s\n")
        for arguments in [["agent"], ["config", "check"], ["image", "ls"], ["doctor"]] {
            let result = try await TestSupport.run(program.path.string, arguments + program.options)
            #expect(result.status == 78)
            #expect(
                result.errors.contains("config.yaml:2:3: inbox.setle: unknown key; did you mean 'settle'?")
            )
        }
    }
}
