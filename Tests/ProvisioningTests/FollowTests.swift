import Documents
import SystemPackage
import Testing

@testable import Provisioning

@Suite("A request that is renamed into place")
struct FollowTests {
    @Test("is followed before the next pass, and leaves nothing for it")
    func edited() async throws {
        let host = try TestHost()
        let vms = host.vms()
        try await host.image("localhost/web:latest")
        try host.request("web.yaml", "image: localhost/web:latest")
        try host.request("other.yaml", "image: localhost/web:latest")
        try await host.pass(vms)
        try await host.pass(vms, at: 1)
        try host.request("web.yaml", "image: localhost/web:latest\ncpus: 3")
        await vms.noteFinished("web.yaml", isComplete: true)
        let outcomes = await vms.follow("web.yaml")
        #expect(outcomes.map(\.name) == ["web"])
        #expect(outcomes.map(\.action) == [.render])
        #expect(outcomes.map(\.result) == [.done])
        #expect(try host.config("web")?["cpus"]?["boot_vcpus"] == 3)
        #expect(try await host.pass(vms, at: 2).isEmpty)
    }

    @Test("makes a new VM")
    func new() async throws {
        let host = try TestHost()
        let vms = host.vms()
        try await host.image("localhost/web:latest")
        try await host.pass(vms)
        try host.request("web.yaml", "image: localhost/web:latest")
        await vms.noteFinished("web.yaml", isComplete: true)
        #expect(await vms.follow("web.yaml").map(\.result) == [.done])
        #expect(try host.status("web")?.phase == .ready)
        #expect(try await host.pass(vms, at: 1).isEmpty)
    }
}
