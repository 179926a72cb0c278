import Host
import SystemPackage
import TestSupport
import Testing

@testable import Provisioning

@Suite("What killed processes leave in the folder of VMs")
struct LeftoverTests {
    private let leftovers = [
        ".identity.1.2.tmp", "web/.config.json.1.2.tmp", "web/.status.json.1.3.tmp", "web/.cow.raw.1.4.tmp",
        "web/.slipway.erofs.1.5.tmp", ".retired/old-20250101T000000Z/.config.json.1.6.tmp",
        ".deleted/gone-7/cow.raw",
    ]

    private func host() async throws -> TestHost {
        let host = try TestHost()
        try await host.image("localhost/web:latest")
        try host.request("web.yaml", "image: localhost/web:latest")
        try await host.pass(host.vms())
        for name in leftovers { try host.folder.write("half", to: "vms/\(name)") }
        return host
    }

    private func left(_ host: TestHost) throws -> [String] {
        try leftovers.filter { try FileStatus.of(host.path($0)) != nil }
    }

    /// As a process that was killed over it leaves it.
    private func abandonLock(_ host: TestHost) throws { try host.folder.write("x", to: "vms/.lock") }

    @Test("goes with the first pass of a process, and nothing else does")
    func first() async throws {
        let host = try await host()
        // A user's own, and what a hypervisor has.
        let others = ["web/.mine.tmp.keep", "web/notes", "web/serial.log"]
        for name in others { try host.folder.write("kept", to: "vms/\(name)") }
        _ = try await host.vms().reconcile(now: TestHost.time(1))
        #expect(try left(host) == [])
        #expect(try FileStatus.of(host.path(".deleted")) == nil)
        for name in others { #expect(try FileStatus.of(host.path(name)) != nil, "\(name)") }
        #expect(try host.status("web")?.phase == .ready)
    }

    @Test("goes with a later pass only when a process was killed since, which costs a quiet pass one look")
    func later() async throws {
        let host = try await host()
        let vms = host.vms()
        _ = try await vms.reconcile(now: TestHost.time(1))
        for name in leftovers { try host.folder.write("half", to: "vms/\(name)") }
        _ = try await vms.reconcile(now: TestHost.time(2))
        #expect(try left(host) == leftovers)
        try abandonLock(host)
        _ = try await vms.reconcile(now: TestHost.time(3))
        #expect(try left(host) == [])
        #expect(try FileStatus.of(host.path(".lock"))?.size == 0)
    }

    @Test("stays while another process holds the lock, or works on the file, and holds up no pass")
    func busy() async throws {
        let host = try await host()
        let vms = host.vms()
        do {
            let lock = try await VMsLock.acquire(host.settings.vms)
            _ = try await vms.reconcile(now: TestHost.time(1))
            #expect(try left(host) == leftovers)
            withExtendedLifetime(lock) {}
        }
        let live = try TemporaryFile.create(beside: host.path("web/cow.raw"))
        _ = try await host.vms().reconcile(now: TestHost.time(2))
        #expect(try left(host) == [])
        #expect(try FileStatus.of(live.path) != nil)
    }

    @Test("goes before a command does its work, too")
    func command() async throws {
        let host = try await host()
        try abandonLock(host)
        _ = try await host.vms().reset("web", now: TestHost.time(1))
        #expect(try left(host) == [])
        let retired = try #require(try host.retiredFolders().first { $0.hasPrefix("web") })
        let kept = try Directory.names(in: host.path(".retired/\(retired)")).map(\.string).sorted()
        #expect(kept == ["config.json", "cow.raw", "status.json"])
    }

    @Test(
        "an empty place where the folder of VMs is mounted is not taken for it: nothing is made or forgotten"
    )
    func notMounted() async throws {
        let host = try await host()
        let elsewhere = host.folder.appending("unmounted")
        try Directory.rename(host.settings.vms, to: elsewhere)
        try Directory.create(host.settings.vms)
        for process in [host.vms(), host.vms()] {
            #expect(try await process.reconcile(now: TestHost.time(1_000_000)).isEmpty)
            #expect(await process.standing.unavailable?.contains(".identity") == true)
        }
        #expect(try FileStatus.of(host.path("web")) == nil)
        #expect(try await host.bindings().keys.sorted() == ["web"])
        // Whoever lost it for good says so.
        try host.folder.write("", to: "vms/.identity")
        _ = try await host.vms().reconcile(now: TestHost.time(1_000_001))
        #expect(try host.status("web")?.phase == .ready)
    }
}
