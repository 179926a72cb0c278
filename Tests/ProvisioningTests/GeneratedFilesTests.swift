import Host
import SystemPackage
import TestSupport
import Testing

@testable import Provisioning

@Suite("What is generated for a VM")
struct GeneratedFilesTests {
    private let request = """
        image: localhost/web:latest
        hostname: web-1
        userData: "#cloud-config\\n"
        dataDisks: [{ name: pg, size: 16MiB, mount: /var/lib/pg }]
        """

    private func host() async throws -> (TestHost, VMs) {
        let host = try TestHost()
        let vms = host.vms()
        try await host.image("localhost/web:latest")
        try host.request("web.yaml", request)
        try await host.pass(vms)
        #expect(try host.status("web")?.phase == .ready)
        return (host, vms)
    }

    /// What somebody does to a file.
    enum Deed: String, CaseIterable {
        case removed, changed, replaced, truncated
    }

    private func `do`(_ deed: Deed, to path: FilePath) throws {
        switch deed {
        case .removed: try Directory.unlink(path)
        case .replaced: try AtomicFile.write(Array("something else".utf8), to: path)
        case .changed:
            // In its place, as long as before: nothing but the times tells.
            let file = try File(path, .readWrite)
            try Array("x".utf8).withUnsafeBytes { try file.writeAll($0, at: 40) }
        case .truncated: try File(path, .readWrite).truncate(to: 0)
        }
    }

    @Test(
        "is made again by the next pass when somebody removed or changed it, and the status says so",
        arguments: ["config.json", "slipway.erofs", "cidata.iso"],
        Deed.allCases
    )
    func madeAgain(name: String, deed: Deed) async throws {
        let (host, vms) = try await host()
        let path = host.path("web/\(name)")
        let content = try AtomicFile.read(path)
        let others = try ["cow.raw", "data-pg.raw", ".instance-id"].map {
            try FileStatus.of(host.path("web/\($0)"))
        }
        try self.do(deed, to: path)
        try await host.pass(vms, at: 1)
        #expect(try AtomicFile.read(path) == content)
        let status = try #require(try host.status("web"))
        #expect(status.phase == .ready)
        #expect(status.warnings == ["\(name) had been removed or changed by hand, and was made again"])
        #expect(
            try ["cow.raw", "data-pg.raw", ".instance-id"].map { try FileStatus.of(host.path("web/\($0)")) }
                == others
        )
        // Said until something else is to be said.
        #expect(try await host.pass(vms, at: 2).isEmpty)
        #expect(try host.status("web") == status)
        try host.request("web.yaml", request + "\ncpus: 2")
        try await host.pass(vms, at: 3)
        #expect(try host.status("web")?.warnings == [])
    }

    @Test(
        "is seen by a pass that was quiet before",
        arguments: ["config.json", "slipway.erofs", "cidata.iso"],
        Deed.allCases
    )
    func quiet(name: String, deed: Deed) async throws {
        let (host, vms) = try await host()
        for second in 1...2 { #expect(try await vms.reconcile(now: TestHost.time(Int64(second))).isEmpty) }
        let content = try AtomicFile.read(host.path("web/\(name)"))
        try self.do(deed, to: host.path("web/\(name)"))
        #expect(try await vms.reconcile(now: TestHost.time(3)).map(\.action) == [.render])
        #expect(try AtomicFile.read(host.path("web/\(name)")) == content)
    }

    @Test("is made again by a process that knows nothing yet", arguments: Deed.allCases)
    func madeAgainLater(deed: Deed) async throws {
        let (host, _) = try await host()
        let names = ["config.json", "slipway.erofs", "cidata.iso"]
        let content = try names.map { try AtomicFile.read(host.path("web/\($0)")) }
        for name in names { try self.do(deed, to: host.path("web/\(name)")) }
        try await host.pass(host.vms(), at: 1)
        #expect(try names.map { try AtomicFile.read(host.path("web/\($0)")) } == content)
    }

    @Test("is made again while a hypervisor runs, whose open files stay as they are")
    func running() async throws {
        let (host, vms) = try await host()
        let hypervisor = try host.hypervisor(on: "web")
        let open = try File.regular(host.path("web/slipway.erofs"))
        try Directory.unlink(host.path("web/slipway.erofs"))
        try await host.pass(vms, at: 1)
        #expect(try FileStatus.of(host.path("web/slipway.erofs"))?.size == open.status().size)
        #expect(try host.status("web")?.running == true)
        try hypervisor.unlock()
    }

    @Test("is not said to be changed by hand when another process wrote the same")
    func otherProcess() async throws {
        let (host, vms) = try await host()
        _ = try await host.vms().reset("web", now: TestHost.time(1))
        try await host.pass(vms, at: 2)
        #expect(try host.status("web")?.warnings == [])
        #expect(try host.status("web")?.phase == .ready)
        #expect(try await host.pass(vms, at: 3).isEmpty)
    }
}
