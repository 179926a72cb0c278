import OCI
import Testing

@testable import Provisioning

@Suite("Images that requests want from registries")
struct ImageWishTests {
    private func image(_ name: String) throws -> Reference { try Reference(parsing: name) }

    @Test("a missing image is wished for by its full name, until the VM has its config")
    func missing() async throws {
        let host = try TestHost()
        let vms = host.vms()
        try host.request("web.json", #"{ "image": "registry.example/web:1" }"#)
        try host.request("never.json", #"{ "image": "registry.example/other:1", "pull": "never" }"#)
        try host.request("short.json", #"{ "image": "web:1" }"#)
        try host.request("local.json", #"{ "image": "localhost/web:1" }"#)
        try await host.pass(vms)
        let web = try image("registry.example/web:1")
        #expect(await vms.wishes == [ImageWish(reference: web, isNeeded: true)])
        #expect(try host.status("web")?.message.contains("it is pulled") == true)
        #expect(try host.status("short")?.message.contains("docker.io/library/web:1") == true)

        await vms.notePulls([web.description: PullStanding(message: "it is on its way")])
        try await host.pass(vms)
        #expect(try host.status("web")?.message == "it is on its way")
        try await host.image("registry.example/web:1")
        try await host.pass(vms)
        #expect(try host.status("web")?.phase == .ready)
        try await host.pass(vms)
        // It is still named, but nobody waits.
        #expect(await vms.wishes == [ImageWish(reference: web, isNeeded: false)])
    }

    @Test("pull: always waits for an answer before the first config, and for none after it")
    func always() async throws {
        let host = try TestHost()
        let vms = host.vms()
        try await host.image("registry.example/web:1")
        try host.request("web.json", #"{ "image": "registry.example/web:1", "pull": "always" }"#)
        try await host.pass(vms)
        let web = try image("registry.example/web:1")
        #expect(await vms.wishes == [ImageWish(reference: web, isNeeded: true, asking: ["web"])])
        #expect(try host.status("web")?.phase == .waiting && host.config("web") == nil)
        await vms.notePulls([web.description: PullStanding(answered: ["other"])])
        try await host.pass(vms)
        #expect(try host.config("web") == nil)
        await vms.notePulls([web.description: PullStanding(answered: ["other", "web"])])
        try await host.pass(vms)
        #expect(try host.status("web")?.phase == .ready)
        await vms.notePulls([:])
        try await host.pass(vms)
        #expect(try host.status("web")?.phase == .ready)
        #expect(await vms.wishes == [ImageWish(reference: web, isNeeded: false)])
    }
}
