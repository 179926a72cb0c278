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

    @Test(
        "and the writable one are never made anew where somebody took them away; back in their place, all is well",
        arguments: ["data-pgdata.raw", "cow.raw"]
    )
    func lost(disk: String) async throws {
        let (host, vms) = try await host()
        try host.request("web.yaml", two)
        try await host.pass(vms)
        let config = try host.config("web")
        let (place, elsewhere) = (host.path("web/\(disk)"), host.folder.appending("elsewhere"))
        try Directory.rename(place, to: elsewhere)
        // The process that made it, and one that knows nothing yet.
        for process in [vms, host.vms()] {
            try await host.pass(process, at: 1)
            let status = try #require(try host.status("web"))
            #expect(status.phase == .held)
            #expect(status.reason == .diskMissing)
            #expect(status.message.contains(disk))
            #expect(try FileStatus.of(place) == nil)
            #expect(try host.config("web") == config)
        }
        try Directory.rename(elsewhere, to: place)
        try await host.pass(vms, at: 2)
        #expect(try host.status("web")?.phase == .ready)
        #expect(try await host.pass(vms, at: 3).isEmpty)
    }

    @Test("that are gone are made anew, empty, when the request lets go of them and wants them again")
    func asksAnew() async throws {
        let (host, vms) = try await host()
        try host.request("web.yaml", two)
        try await host.pass(vms)
        let cow = try FileStatus.of(host.path("web/cow.raw"))
        try Directory.unlink(host.path("web/data-pgdata.raw"))
        try host.request("web.yaml", "image: localhost/web:latest")
        try await host.pass(vms, at: 1)
        try host.request("web.yaml", two)
        try await host.pass(vms, at: 2)
        #expect(try host.status("web")?.phase == .ready)
        try await check("e2fsck", ["-f", "-n", host.path("web/data-pgdata.raw").string])
        #expect(try FileStatus.of(host.path("web/cow.raw")) == cow)
    }

    @Test("grow once nobody holds a lock on the disk itself, be it another than the writable one")
    func growWhileHeld() async throws {
        let (host, vms) = try await host()
        try host.request("web.yaml", two)
        try await host.pass(vms)
        let holder = try host.hypervisor(on: "web", disk: "data-pgdata.raw")
        try host.request("web.yaml", two.replacing("32MiB", with: "48MiB"))
        for second in 1...2 {
            try await host.pass(vms, at: Int64(second))
            let status = try #require(try host.status("web"))
            #expect(status.phase == .waiting)
            #expect(status.reason == .diskGrows)
            #expect(status.message.contains("data-pgdata.raw"))
            #expect(try FileStatus.of(host.path("web/data-pgdata.raw"))?.size == 32 << 20)
        }
        try holder.unlock()
        try await host.pass(vms, at: 3)
        #expect(try host.status("web")?.phase == .ready)
        #expect(try FileStatus.of(host.path("web/data-pgdata.raw"))?.size == 48 << 20)
        #expect(try await host.pass(vms, at: 4).isEmpty)
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
}
