import Documents
import GarbageCollection
import Host
import Logging
import Snapshots
import Store
import SystemPackage
import TestSupport
import Testing

@testable import Provisioning

/// Nothing of a VM's disks is ever lost: what retires retires whole, what comes back comes back whole.
@Suite("The disks of a VM that goes and comes back")
struct DiskRetirementTests {
    private static let disks = ["cow.raw", "data-logs.raw", "data-pg.raw"]
    private static func request(
        image: String = "localhost/web:latest",
        size: String = "16MiB",
        mount: String = "/var/lib/pg",
        names: [String] = ["pg", "logs"]
    ) -> String {
        """
        image: \(image)
        disk: { size: \(size) }
        dataDisks: [\(names.map { "{ name: \($0), size: \(size), mount: \($0 == "pg" ? mount : "/\($0)") }" }
            .joined(separator: ", "))]
        """
    }

    private func host(_ adjust: (inout VMSettings) -> Void = { _ in }) async throws -> (TestHost, VMs) {
        let host = try TestHost(adjust)
        let vms = host.vms()
        try await host.image("localhost/web:latest")
        try host.request("web.yaml", Self.request())
        try await host.pass(vms)
        #expect(try host.status("web")?.phase == .ready)
        return (host, vms)
    }

    /// Which disks are in a folder: they are the same wherever they are moved.
    private func inodes(_ host: TestHost, _ folder: String = "web") throws -> [String: UInt64] {
        var found: [String: UInt64] = [:]
        for disk in try host.settings.folder(of: folder).disks() {
            found[disk.lastComponent?.string ?? ""] = try FileStatus.of(disk)?.inode
        }
        return found
    }

    private func retire(_ host: TestHost, _ vms: VMs, at seconds: Int64) async throws -> String {
        let before = Set(try host.retiredFolders())
        try host.removeRequest("web.yaml")
        try await host.pass(vms, at: seconds)
        try await host.pass(vms, at: seconds + 60)
        return ".retired/" + (try #require(try host.retiredFolders().first { !before.contains($0) }))
    }

    // MARK: Locks

    @Test(
        "stay where they are while somebody holds a lock on any one of them, which is named",
        arguments: disks
    )
    func oneIsHeld(disk: String) async throws {
        let (host, vms) = try await host()
        let before = try inodes(host)
        let holder = try host.hypervisor(on: "web", disk: disk)
        // By hand.
        await #expect { try await vms.reset("web", now: TestHost.time(1)) } throws: { error in
            guard case VMError.inUse(let message) = error else { return false }
            return message.contains(disk)
        }
        // By the request that goes.
        try host.removeRequest("web.yaml")
        try await host.pass(vms, at: 100)
        for second: Int64 in [160, 161] {
            try await host.pass(vms, at: second)
            let status = try #require(try host.status("web"))
            #expect(status.phase == .retiring)
            #expect(status.reason == .running)
        }
        await #expect { try await vms.remove("web", now: TestHost.time(162)) } throws: {
            guard case VMError.inUse = $0 else { return false }
            return true
        }
        #expect(try inodes(host) == before)
        #expect(try host.config("web") != nil)
        #expect(try host.retiredFolders() == [])
        #expect(try await host.bindings().keys.sorted() == ["web"])
        try holder.unlock()
        try await host.pass(vms, at: 163)
        let retired = try #require(try host.retiredFolders().first)
        #expect(try inodes(host, ".retired/\(retired)") == before)
    }

    @Test("stay on their image while one is held, where another image is to come", arguments: disks)
    func recreateWaits(disk: String) async throws {
        let (host, vms) = try await host { $0.onImageChange = .recreate }
        let (before, bound) = (try inodes(host), try await host.bindings()["web"])
        let holder = try host.hypervisor(on: "web", disk: disk)
        try await host.image("localhost/web:latest", layers: ["other"])
        try await host.pass(vms, at: 1)
        let status = try #require(try host.status("web"))
        #expect(status.phase == .held)
        #expect(status.reason == .running)
        #expect(try inodes(host) == before)
        #expect(try await host.bindings()["web"]?.image == bound?.image)
        try holder.unlock()
        try await host.pass(vms, at: 2)
        #expect(try host.status("web")?.phase == .ready)
        #expect(try await host.bindings()["web"]?.image != bound?.image)
        let retired = try #require(try host.retiredFolders().first)
        #expect(try inodes(host, ".retired/\(retired)") == before)
    }

    @Test("that retired come back, go and are collected only when nobody holds one of them", arguments: disks)
    func retiredAndHeld(disk: String) async throws {
        let (host, vms) = try await host { $0.retiredTTL = .zero }
        let retired = try await retire(host, vms, at: 100)
        let before = try inodes(host, retired)
        let holder = try host.hypervisor(on: retired, disk: disk)
        for attempt in [
            { _ = try await vms.restore("web", now: TestHost.time(200)) },
            { try await vms.remove("web", now: TestHost.time(200)) },
        ] {
            await #expect { try await attempt() } throws: {
                guard case VMError.inUse(let message) = $0 else { return false }
                return message.contains(disk)
            }
        }
        let module = VMCollector(settings: host.settings, store: host.store, logger: Logger(label: "test"))
        let due = Candidate(kind: "vm", id: retired, reason: "", bytes: 0)
        #expect(try await module.collect([due]).isEmpty)
        #expect(try inodes(host, retired) == before)
        try holder.unlock()
        _ = try await vms.restore("web", now: TestHost.time(201))
        #expect(try inodes(host) == before)
    }

    @Test("that are here now stay, and so do the retired ones, when one that would be exchanged is held")
    func exchangeWaits() async throws {
        let (host, vms) = try await host()
        let retired = try await retire(host, vms, at: 100)
        let old = try inodes(host, retired)
        try host.request("web.yaml", Self.request())
        try await host.pass(vms, at: 200)
        let new = try inodes(host)
        let holder = try host.hypervisor(on: "web", disk: "data-pg.raw")
        await #expect(throws: VMError.self) { try await vms.restore("web", now: TestHost.time(201)) }
        #expect(try inodes(host) == new)
        #expect(try inodes(host, retired) == old)
        #expect(try await host.bindings().count == 2)
        try holder.unlock()
        _ = try await vms.restore("web", now: TestHost.time(202))
        #expect(try inodes(host) == old)
        let exchanged = try #require(try host.retiredFolders().first)
        #expect(try inodes(host, ".retired/\(exchanged)") == new)
        #expect(try host.status("web")?.phase == .ready)
    }

    // MARK: Crashes

    @Test("come back by a second try when the first was killed between the folder and the index")
    func restoreKilled() async throws {
        let (host, vms) = try await host()
        let retired = try await retire(host, vms, at: 100)
        let before = try inodes(host, retired)
        try Directory.rename(host.path(retired), to: host.path("web"))

        try await host.pass(host.vms(), at: 200)
        #expect(try inodes(host, retired) == before, "undone: what the index says holds")
        #expect(try FileStatus.of(host.path("web")) == nil)
        _ = try await host.vms().restore("web", now: TestHost.time(201))
        #expect(try inodes(host) == before)
    }

    @Test("are not mixed with new ones when that happens and the request is back")
    func restoreKilledUnderRequest() async throws {
        let (host, vms) = try await host()
        let retired = try await retire(host, vms, at: 100)
        let before = try inodes(host, retired)
        try Directory.rename(host.path(retired), to: host.path("web"))
        try host.request("web.yaml", Self.request())
        try await host.pass(host.vms(), at: 200)
        #expect(try inodes(host, retired) == before)
        #expect(Set(try inodes(host).values).isDisjoint(with: before.values))
        #expect(try host.status("web")?.phase == .ready)
    }

    @Test("are all kept when an exchange was killed after the first of its halves")
    func exchangeKilled() async throws {
        let (host, vms) = try await host()
        let retired = try await retire(host, vms, at: 100)
        let old = try inodes(host, retired)
        try host.request("web.yaml", Self.request())
        try await host.pass(vms, at: 200)
        let new = try inodes(host)
        // The one that is here has retired in the index, and nothing else was done.
        var record = try #require(try await host.bindings()["web"])
        record.name = ".retired/web-20260201T000000Z"
        record.retiredAt = TestHost.time(201)
        try await host.store.renameVM("web", to: record)

        try await host.pass(host.vms(), at: 202)
        #expect(try inodes(host, record.name) == new)
        #expect(try inodes(host, retired) == old)
        _ = try await host.vms().restore(
            String(retired.dropFirst(".retired/".count)),
            now: TestHost.time(203)
        )
        #expect(try inodes(host) == old)
        #expect(try await host.bindings().count == 3)
    }

    // MARK: Another request

    @Test("come back within the grace as they were, whatever else the request says now")
    func backWithinGrace() async throws {
        let (host, vms) = try await host()
        let before = try inodes(host)
        try host.removeRequest("web.yaml")
        try await host.pass(vms, at: 100)
        try host.request("web.yaml", Self.request(size: "32MiB", mount: "/srv/pg", names: ["pg", "more"]))
        try await host.pass(vms, at: 130)
        #expect(try host.status("web")?.phase == .ready)
        let now = try inodes(host)
        #expect(now.filter { before.keys.contains($0.key) } == before)
        #expect(now.keys.sorted() == ["cow.raw", "data-logs.raw", "data-more.raw", "data-pg.raw"])
        let attached = try host.config("web")?["disks"]?.array?.compactMap { $0["serial"]?.string }
        #expect(attached?.suffix(3) == ["cow", "pg", "more"])
        #expect(try FileStatus.of(host.path("web/data-pg.raw"))?.size == 32 << 20)
        // What the request let go of is as it was.
        #expect(try FileStatus.of(host.path("web/data-logs.raw"))?.size == 16 << 20)
    }

    @Test("are restored as they were, and brought to what the request says now: size, mount, fewer and more")
    func restoredUnderAnother() async throws {
        let (host, vms) = try await host()
        let retired = try await retire(host, vms, at: 100)
        let old = try inodes(host, retired)
        try host.request("web.yaml", Self.request(size: "32MiB", mount: "/srv/pg", names: ["pg", "more"]))
        try await host.pass(vms, at: 200)
        _ = try await vms.restore("web", now: TestHost.time(201))
        #expect(try host.status("web")?.phase == .ready)
        #expect(try inodes(host).filter { old.keys.contains($0.key) } == old)
        #expect(try FileStatus.of(host.path("web/data-pg.raw"))?.size == 32 << 20)
        #expect(try FileStatus.of(host.path("web/data-logs.raw"))?.size == 16 << 20)
        for disk in ["cow.raw", "data-pg.raw", "data-more.raw", "data-logs.raw"] {
            try await check("e2fsck", ["-f", "-n", host.path("web/\(disk)").string])
        }
        #expect(try await host.pass(vms, at: 202).isEmpty)
    }

    @Test("are kept as large as they are where the request that is back wants them smaller, which is said")
    func restoredUnderSmaller() async throws {
        let (host, vms) = try await host()
        try host.request("web.yaml", Self.request(size: "32MiB"))
        try await host.pass(vms, at: 1)
        _ = try await retire(host, vms, at: 100)
        try host.request("web.yaml", Self.request(size: "16MiB"))
        try await host.pass(vms, at: 200)
        _ = try await vms.restore("web", now: TestHost.time(201))
        let status = try #require(try host.status("web"))
        #expect(status.phase == .ready)
        #expect(status.message.contains("never shrunk"))
        for disk in Self.disks { #expect(try FileStatus.of(host.path("web/\(disk)"))?.size == 32 << 20) }
    }

    @Test("are restored onto their own image although the request names another now; it is held, and says so")
    func restoredUnderAnotherImage() async throws {
        let (host, vms) = try await host()
        let bound = try await host.bindings()["web"]
        let retired = try await retire(host, vms, at: 100)
        let old = try inodes(host, retired)
        let other = try await host.image("localhost/other:latest", layers: ["other"])
        try host.request("web.yaml", Self.request(image: "localhost/other:latest"))
        try await host.pass(vms, at: 200)
        #expect(try await host.bindings()["web"]?.image == other.digest)
        _ = try await vms.restore("web", now: TestHost.time(201))
        let status = try #require(try host.status("web"))
        #expect(status.phase == .held)
        #expect(status.reason == .imageChanged)
        #expect(try inodes(host) == old)
        #expect(try await host.bindings()["web"]?.image == bound?.image)
        #expect(try host.config("web") != nil)
    }

    @Test("of a reset are all kept as retired, and new ones made")
    func reset() async throws {
        let (host, vms) = try await host()
        let old = try inodes(host)
        _ = try await vms.reset("web", now: TestHost.time(1))
        #expect(try host.status("web")?.phase == .ready)
        let retired = try #require(try host.retiredFolders().first)
        #expect(try inodes(host, ".retired/\(retired)") == old)
        #expect(Set(try inodes(host).values).isDisjoint(with: old.values))
        #expect(try inodes(host).keys.sorted() == Self.disks)
    }
}
