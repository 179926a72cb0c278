import Documents
import Foundation
import Host
import SystemPackage
import TestSupport
import Testing

@testable import Provisioning

@Suite("A VM's data disks")
struct DataDiskTests {
    private let two = """
        image: localhost/web:latest
        cpus: 4
        dataDisks:
          - { name: pgdata, size: 32MiB, mount: /var/lib/pg }
          - { name: net0, size: 20MiB, filesystem: none, direct: false }
        """

    private func host() async throws -> (TestHost, VMs) {
        let host = try TestHost()
        try await host.image("localhost/web:latest")
        return (host, host.vms())
    }

    @Test("are made beside the writable disk, with a file system of their name or with nothing on them")
    func made() async throws {
        let (host, vms) = try await host()
        try host.request("web.yaml", two)
        try await host.pass(vms)
        let header = try await check("dumpe2fs", ["-h", host.path("web/data-pgdata.raw").string])
        #expect(header.contains("Filesystem volume name:   pgdata\n"))
        try await check("e2fsck", ["-f", "-n", host.path("web/data-pgdata.raw").string])
        let raw = try #require(try FileStatus.of(host.path("web/data-net0.raw")))
        #expect(raw.size == 20 << 20)
        #expect(raw.allocatedBytes == 0)
        #expect(raw.permissions == FilePermissions(rawValue: 0o640))
        let disks = try #require(try host.config("web")?["disks"]?.array)
        #expect(
            disks.compactMap { $0["serial"]?.string } == [
                "layer0", "layer1", "slipway", "cow", "pgdata", "net0",
            ]
        )
        #expect(disks[3]["direct"] == true)
        #expect(disks[3]["num_queues"] == 4)
        #expect(disks[4]["id"] == "disk-pgdata")
        #expect(disks[4]["num_queues"] == 4)
        #expect(disks[5]["direct"] == nil)
        #expect(try await host.pass(vms, at: 1).isEmpty)
    }

    @Test("can be added and taken away later; what is on one stays until it is wanted again")
    func changed() async throws {
        let (host, vms) = try await host()
        try host.request("web.yaml", "image: localhost/web:latest")
        try await host.pass(vms)
        try host.request("web.yaml", two)
        try await host.pass(vms, at: 1)
        let made = try #require(try FileStatus.of(host.path("web/data-pgdata.raw")))
        try host.request("web.yaml", "image: localhost/web:latest")
        try await host.pass(vms, at: 2)
        #expect(try host.config("web")?["disks"]?.array?.count == 3)
        #expect(try FileStatus.of(host.path("web/data-pgdata.raw")) == made)
        try host.request("web.yaml", two)
        try await host.pass(vms, at: 3)
        #expect(try FileStatus.of(host.path("web/data-pgdata.raw")) == made)
    }

    @Test("that somebody removed are made anew, empty")
    func lost() async throws {
        let (host, vms) = try await host()
        try host.request("web.yaml", two)
        try await host.pass(vms)
        try Directory.unlink(host.path("web/data-pgdata.raw"))
        try await host.pass(vms, at: 1)
        try await check("e2fsck", ["-f", "-n", host.path("web/data-pgdata.raw").string])
    }

    @Test("grow with the request once no hypervisor holds them")
    func grow() async throws {
        let (host, vms) = try await host()
        try host.request("web.yaml", two)
        try await host.pass(vms)
        try host.request("web.yaml", two.replacing("32MiB", with: "48MiB"))
        let hypervisor = try host.hypervisor(on: "web")
        try await host.pass(vms, at: 1)
        #expect(try host.status("web")?.reason == .diskGrows)
        #expect(try host.status("web")?.message.contains("pgdata") == true)
        try hypervisor.unlock()
        try await host.pass(vms, at: 2)
        #expect(try host.status("web")?.phase == .ready)
        #expect(try FileStatus.of(host.path("web/data-pgdata.raw"))?.size == 48 << 20)
        #expect(try await host.pass(vms, at: 3).isEmpty)
    }

    @Test("retire and come back with their VM")
    func retire() async throws {
        let (host, vms) = try await host()
        try host.request("web.yaml", two)
        try await host.pass(vms)
        try host.removeRequest("web.yaml")
        try await host.pass(vms, at: 100)
        try await host.pass(vms, at: 160)
        let folder = try #require(try host.retiredFolders().first)
        #expect(try FileStatus.of(host.path(".retired/\(folder)/data-pgdata.raw")) != nil)
        _ = try await vms.restore("web", now: TestHost.time(200))
        #expect(try FileStatus.of(host.path("web/data-pgdata.raw")) != nil)
    }
}
