import GarbageCollection
import Host
import Logging
import OCI
import Snapshots
import Store
import SystemPackage
import TestSupport
import Testing

@testable import Provisioning

@Suite("A VM whose request is gone")
struct RetirementTests {
    /// A host with one VM, ready.
    func host(_ adjust: (inout VMSettings) -> Void = { _ in }) async throws -> (TestHost, VMs) {
        let host = try TestHost(adjust)
        let vms = host.vms()
        try await host.image("localhost/web:latest")
        try host.request("web.yaml", "image: localhost/web:latest")
        try await host.pass(vms)
        #expect(try host.status("web")?.phase == .ready)
        return (host, vms)
    }

    @Test("is retired after the grace with its disks, config and binding, not before")
    func retires() async throws {
        let (host, vms) = try await host()
        let disk = try FileStatus.of(host.path("web/cow.raw"))
        try host.removeRequest("web.yaml")
        try await host.pass(vms, at: 100)
        #expect(try host.status("web")?.phase == .retiring)
        #expect(try host.status("web")?.reason == .requestGone)
        #expect(await vms.nextDeadline == TestHost.time(160))
        #expect(try await host.pass(vms, at: 159).isEmpty)
        #expect(try host.config("web") != nil)

        #expect(try await host.pass(vms, at: 160).map(\.action) == [.retire])
        #expect(try FileStatus.of(host.path("web")) == nil)
        #expect(try host.retiredFolders() == ["web-20260101T000000Z"])
        let kept = try #require(try FileStatus.of(host.path(".retired/web-20260101T000000Z/cow.raw")))
        #expect(kept.inode == disk?.inode)
        let binding = try #require(try await host.bindings()[".retired/web-20260101T000000Z"])
        #expect(binding.retiredAt == TestHost.time(160))
        #expect(binding.absentSince == nil)
        #expect(try await host.pass(vms, at: 161).isEmpty)
    }

    @Test("goes on as if nothing had been when the request comes back within the grace")
    func comesBack() async throws {
        let (host, vms) = try await host()
        let (disk, config) = (
            try FileStatus.of(host.path("web/cow.raw")), try FileStatus.of(host.path("web/config.json"))
        )
        try host.removeRequest("web.yaml")
        try await host.pass(vms, at: 100)
        try host.request("web.yaml", "image: localhost/web:latest")
        try await host.pass(vms, at: 150)
        #expect(try host.status("web")?.phase == .ready)
        #expect(try await host.bindings()["web"]?.absentSince == nil)
        #expect(try FileStatus.of(host.path("web/cow.raw")) == disk)
        #expect(try FileStatus.of(host.path("web/config.json")) == config)
        #expect(try await host.pass(vms, at: 500).isEmpty)
    }

    @Test("is absent from the first pass that missed it, whichever process that was")
    func graceSurvivesRestart() async throws {
        let (host, vms) = try await host()
        try host.removeRequest("web.yaml")
        try await host.pass(vms, at: 100)
        #expect(try await host.pass(host.vms(), at: 160).map(\.action) == [.retire])
    }

    @Test("starts fresh when the request comes back later")
    func comesBackLater() async throws {
        let (host, vms) = try await host()
        let disk = try FileStatus.of(host.path("web/cow.raw"))
        try host.removeRequest("web.yaml")
        try await host.pass(vms, at: 100)
        try await host.pass(vms, at: 160)
        try host.request("web.yaml", "image: localhost/web:latest")
        try await host.pass(vms, at: 170)
        #expect(try host.status("web")?.phase == .ready)
        #expect(try FileStatus.of(host.path("web/cow.raw"))?.inode != disk?.inode)
        #expect(try await host.bindings().count == 2)
    }

    @Test("is deleted where the settings say so, at once under a grace of zero, and nothing else is")
    func deletes() async throws {
        let (host, vms) = try await host {
            $0.onRemove = .delete
            $0.removeGrace = .zero
        }
        try host.request("db.yaml", "image: localhost/web:latest")
        try await host.pass(vms)
        try host.removeRequest("web.yaml")
        #expect(try await host.pass(vms, at: 1).map(\.action) == [.delete])
        #expect(try FileStatus.of(host.path("web")) == nil)
        #expect(try host.retiredFolders().isEmpty)
        #expect(try await host.bindings().keys.sorted() == ["db"])
        #expect(try host.status("db")?.phase == .ready)
    }

    @Test("stays while a hypervisor locks its disk", arguments: [VMSettings.Removal.retain, .delete])
    func running(removal: VMSettings.Removal) async throws {
        let (host, vms) = try await host { $0.onRemove = removal }
        try host.removeRequest("web.yaml")
        do {
            let hypervisor = try host.hypervisor(on: "web")
            try await host.pass(vms, at: 100)
            try await host.pass(vms, at: 1000)
            let status = try #require(try host.status("web"))
            #expect(status.phase == .retiring)
            #expect(status.reason == .running)
            #expect(status.running)
            #expect(try host.config("web") != nil)
            withExtendedLifetime(hypervisor) {}
        }
        try await host.pass(vms, at: 1001)
        #expect(try FileStatus.of(host.path("web")) == nil)
    }

    @Test("whose hypervisor starts between plan and deed stays")
    func startsMeanwhile() async throws {
        let (host, vms) = try await host { $0.removeGrace = .zero }
        try host.removeRequest("web.yaml")
        let plan = VMs.plan(try await vms.observe(now: TestHost.time(10)))
        #expect(plan.steps.map(\.action) == [.retire])
        let hypervisor = try host.hypervisor(on: "web")
        #expect(await vms.apply(plan).map(\.result) == [.failed])
        #expect(try host.config("web") != nil)
        #expect(try await host.bindings().keys.sorted() == ["web"])
        #expect(try host.status("web")?.phase == .retiring)
        withExtendedLifetime(hypervisor) {}
    }

    @Test(
        "stays when the requests folder as a whole is gone or cannot be read: that is reported",
        arguments: [true, false]
    )
    func folderGone(isMoved: Bool) async throws {
        let (host, vms) = try await host {
            $0.onRemove = .delete
            $0.removeGrace = .zero
        }
        if isMoved {
            try Directory.rename(host.settings.requests, to: host.folder.appending("elsewhere"))
        } else {
            try await check("chmod", ["0777", host.settings.requests.string])
            try host.removeRequest("web.yaml")
        }
        for second in 1...3 { #expect(try await host.pass(vms, at: Int64(second) * 10000).isEmpty) }
        #expect(try host.status("web")?.phase == .ready)
        #expect(await vms.standing.unavailable?.contains(host.settings.requests.string) == true)
        #expect(try await host.bindings()["web"]?.absentSince == nil)
    }

    @Test("leaves no trace when it never came to a config")
    func forgotten() async throws {
        let (host, vms) = try await host()
        try host.request("later.yaml", "image: localhost/later:1")
        try await host.pass(vms, at: 1)
        #expect(try host.status("later")?.phase == .waiting)
        try host.removeRequest("later.yaml")
        try await host.pass(vms, at: 2)
        #expect(try FileStatus.of(host.path("later")) == nil)
        #expect(try host.status("web")?.phase == .ready)
    }

    @Test("is not what an unreadable request makes of it")
    func unreadable() async throws {
        let (host, vms) = try await host { $0.removeGrace = .zero }
        try host.removeRequest("web.yaml")
        try Directory.create(host.settings.requests.appending("web.yaml"))
        try await host.pass(vms, at: 1)
        #expect(try host.status("web")?.phase == .invalid)
        #expect(try host.status("web")?.reason == .requestUnreadable)
        #expect(try host.config("web") != nil)
    }

    @Test("is retired wholly when a crash came after the index and before the folder")
    func crash() async throws {
        let (host, _) = try await host()
        var record = try #require(try await host.bindings()["web"])
        record.name = ".retired/web-20250101T000000Z"
        record.retiredAt = TestHost.time(5)
        try await host.store.renameVM("web", to: record)

        // The request is still there: what was retired must be out of the way before the VM begins anew.
        let disk = try #require(try FileStatus.of(host.path("web/cow.raw")))
        let outcomes = try await host.pass(host.vms(), at: 10)
        #expect(outcomes.map(\.action) == [.finishRetiring, .create])
        #expect(try host.retiredFolders() == ["web-20250101T000000Z"])
        #expect(try FileStatus.of(host.path(".retired/web-20250101T000000Z/cow.raw"))?.inode == disk.inode)
        #expect(try FileStatus.of(host.path("web/cow.raw"))?.inode != disk.inode)
        #expect(try await host.bindings().count == 2)
    }

    @Test("is deleted wholly when a crash came in the middle")
    func crashWhileDeleting() async throws {
        let (host, _) = try await host {
            $0.onRemove = .delete
            $0.removeGrace = .zero
        }
        try host.removeRequest("web.yaml")
        try Directory.unlink(host.path("web/cow.raw"))
        try await host.pass(host.vms(), at: 1)
        #expect(try FileStatus.of(host.path("web")) == nil)
        #expect(try await host.bindings().isEmpty)
    }

    @Test("loses its binding when somebody removed its folder by hand")
    func folderRemoved() async throws {
        let (host, vms) = try await host { $0.removeGrace = .zero }
        try host.removeRequest("web.yaml")
        try Directory.removeTree(host.path("web"))
        try await host.pass(vms, at: 1)
        #expect(try await host.bindings().isEmpty)
        #expect(try host.retiredFolders().isEmpty)
    }

    @Test("is collected once it has been retired for long enough, unless its disk is in use")
    func collected() async throws {
        let (host, vms) = try await host {
            $0.removeGrace = .zero
            $0.retiredTTL = .zero
        }
        try host.removeRequest("web.yaml")
        let world = try await vms.observe(now: try await host.store.tick())
        _ = await vms.apply(VMs.plan(world))
        let folder = try #require(try host.retiredFolders().first)
        let module = VMCollector(settings: host.settings, store: host.store, logger: Logger(label: "test"))
        let candidates = try module.resolve(
            try await module.snapshot(),
            others: GarbageCollection.Snapshots()
        )
        #expect(candidates.map(\.id) == [".retired/\(folder)"])
        #expect(candidates.first?.bytes ?? 0 > 0)
        do {
            let user = try File(host.path(".retired/\(folder)/cow.raw"), .readWrite)
            #expect(try user.tryLock())
            #expect(try await module.collect(candidates).isEmpty)
            withExtendedLifetime(user) {}
        }
        #expect(try await module.collect(candidates).count == 1)
        #expect(try host.retiredFolders().isEmpty)
        #expect(try await host.bindings().isEmpty)
        #expect(try await module.collect(candidates).isEmpty)
    }

    @Test("is not collected before its time")
    func notCollected() async throws {
        let (host, vms) = try await host { $0.removeGrace = .zero }
        try host.removeRequest("web.yaml")
        let world = try await vms.observe(now: try await host.store.tick())
        _ = await vms.apply(VMs.plan(world))
        let module = VMCollector(settings: host.settings, store: host.store, logger: Logger(label: "test"))
        let snapshot = try await module.snapshot()
        #expect(snapshot.retired.count == 1)
        #expect(try module.resolve(snapshot, others: GarbageCollection.Snapshots()).isEmpty)
    }
}
