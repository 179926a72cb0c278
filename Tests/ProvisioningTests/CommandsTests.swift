import Documents
import Host
import OCI
import Snapshots
import Store
import SystemPackage
import TestSupport
import Testing

@testable import Provisioning

@Suite("By hand, a VM")
struct CommandsTests {
    func host(_ adjust: (inout VMSettings) -> Void = { _ in }) async throws -> (TestHost, VMs) {
        let host = try TestHost(adjust)
        let vms = host.vms()
        try await host.image("localhost/web:latest")
        try host.request("web.yaml", "image: localhost/web:latest")
        try await host.pass(vms)
        return (host, vms)
    }

    @Test("is reset: its disk retires, and it starts anew on the image its request wants now")
    func reset() async throws {
        let (host, vms) = try await host()
        let new = try await host.image("localhost/web:latest", layers: ["base", "app 2"])
        try await host.pass(vms, at: 1)
        #expect(try host.status("web")?.phase == .held)
        let outcomes = try await vms.reset("web", now: TestHost.time(2))
        #expect(outcomes.map(\.action) == [.create])
        #expect(try host.status("web")?.phase == .ready)
        #expect(try await host.bindings()["web"]?.image == new.digest)
        #expect(try host.retiredFolders().count == 1)
        #expect(try await host.pass(vms, at: 3).isEmpty)
    }

    @Test("is reset by another process than the agent's, which then finds nothing to do but to look")
    func resetElsewhere() async throws {
        let (host, vms) = try await host()
        try await host.image("localhost/web:latest", layers: ["base", "app 2"])
        _ = try await host.vms().reset("web", now: TestHost.time(2))
        let config = try FileStatus.of(host.path("web/config.json"))
        try await host.pass(vms, at: 3)
        #expect(try host.status("web")?.phase == .ready)
        #expect(try FileStatus.of(host.path("web/config.json")) == config)
        #expect(try await host.pass(vms, at: 4).isEmpty)
    }

    @Test("is not reset, restored or removed while a hypervisor runs on it")
    func running() async throws {
        let (host, vms) = try await host()
        let hypervisor = try host.hypervisor(on: "web")
        await #expect(throws: VMError.self) { try await vms.reset("web", now: TestHost.time(1)) }
        try host.removeRequest("web.yaml")
        let error = await #expect(throws: VMError.self) { try await vms.remove("web", now: TestHost.time(1)) }
        guard case .inUse = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(try host.config("web") != nil)
        #expect(try await host.bindings().keys.sorted() == ["web"])
        withExtendedLifetime(hypervisor) {}
    }

    @Test("that nobody knows is not found")
    func unknown() async throws {
        let (_, vms) = try await host()
        for name in ["nobody", "../requests", ".retired"] {
            await #expect(throws: VMError.notFound("there is no VM \(name)")) {
                try await vms.reset(name, now: TestHost.time(1))
            }
        }
        await #expect(throws: VMError.notFound("there is no retired VM web")) {
            try await vms.restore("web", now: TestHost.time(1))
        }
        await #expect(throws: VMError.notFound("there is no VM nobody")) {
            try await vms.remove("nobody", now: TestHost.time(1))
        }
    }

    @Test("is restored: the retired disk comes back on its layers, and what had the name retires")
    func restore() async throws {
        let (host, vms) = try await host()
        let disk = try #require(try FileStatus.of(host.path("web/cow.raw")))
        let old = try #require(try await host.bindings()["web"])
        try await host.image("localhost/web:latest", layers: ["base", "app 2"])
        _ = try await vms.reset("web", now: TestHost.time(2))
        #expect(try FileStatus.of(host.path("web/cow.raw"))?.inode != disk.inode)

        _ = try await vms.restore("web", now: TestHost.time(3))
        #expect(try FileStatus.of(host.path("web/cow.raw"))?.inode == disk.inode)
        let binding = try #require(try await host.bindings()["web"])
        #expect(binding.keys == old.keys)
        #expect(binding.retiredAt == nil)
        #expect(try host.retiredFolders().count == 1)
        #expect(try host.status("web")?.phase == .held)
        #expect(try await host.bindings().count == 2)
    }

    @Test("without a request is restored for as long as the grace lets it")
    func restoreWithoutRequest() async throws {
        let (host, vms) = try await host()
        try host.removeRequest("web.yaml")
        try await host.pass(vms, at: 100)
        try await host.pass(vms, at: 160)
        _ = try await vms.restore("web", now: TestHost.time(200))
        #expect(try host.status("web")?.phase == .retiring)
        #expect(try host.config("web") != nil)
        #expect(try host.retiredFolders().isEmpty)
        try host.request("web.yaml", "image: localhost/web:latest")
        try await host.pass(vms, at: 250)
        #expect(try host.status("web")?.phase == .ready)
    }

    @Test("half restored when a crash came is put back to the retired ones")
    func crashWhileRestoring() async throws {
        let (host, vms) = try await host()
        try host.removeRequest("web.yaml")
        try await host.pass(vms, at: 100)
        try await host.pass(vms, at: 160)
        let folder = try #require(try host.retiredFolders().first)
        try Directory.rename(host.path(".retired/\(folder)"), to: host.path("web"))
        #expect(try await host.pass(host.vms(), at: 170).map(\.action) == [.finishRetiring])
        #expect(try host.retiredFolders() == [folder])
        #expect(try FileStatus.of(host.path("web")) == nil)
    }

    @Test("is removed once retired; one that a request wants is not, and the request is named")
    func remove() async throws {
        let (host, vms) = try await host()
        let error = await #expect(throws: VMError.self) { try await vms.remove("web", now: TestHost.time(1)) }
        #expect(error?.description.contains("web.yaml") == true)
        try host.removeRequest("web.yaml")
        try await host.pass(vms, at: 100)
        try await host.pass(vms, at: 160)
        try await vms.remove("web", now: TestHost.time(161))
        #expect(try host.retiredFolders().isEmpty)
        #expect(try await host.bindings().isEmpty)
    }

    @Test("can be rendered without anything being written, bound or made")
    func render() async throws {
        let (host, vms) = try await host()
        let bytes = try await vms.render(host.settings.requests.appending("web.yaml"))
        #expect(try AtomicFile.read(host.path("web/config.json")) == bytes)
        let other = try host.folder.write("image: localhost/web:latest\nname: other", to: "other.yaml")
        let config = try Document.parse(try await vms.render(other), file: "x", format: .json).jsonValue
        #expect(config["serial"]?["file"]?.string == host.path("other/serial.log").string)
        #expect(try FileStatus.of(host.path("other")) == nil)
        #expect(try await host.bindings().count == 1)
        let bad = try host.folder.write("image: localhost/web:latest\ncpus: 0", to: "bad.yaml")
        let error = await #expect(throws: VMError.self) { try await vms.render(bad) }
        #expect(error?.description.contains("bad.yaml:2:7") == true)
    }

    @Test("is listed with what is said of it and whether it runs")
    func list() async throws {
        let (host, vms) = try await host()
        try host.request("a.yaml", "image: localhost/none:1")
        try await host.pass(vms, at: 1)
        let hypervisor = try host.hypervisor(on: "web")
        let list = try await host.vms().list()
        #expect(list.map(\.name) == ["a", "web"])
        #expect(list.map(\.phase) == [.waiting, .ready])
        #expect(list.map(\.running) == [false, true])
        withExtendedLifetime(hypervisor) {}
    }
}
