import Documents
import Host
import OCI
import Store
import SystemPackage
import TestSupport
import Testing

@testable import Provisioning

@Suite("A VM whose image changes")
struct ImageChangeTests {
    @Test("is held when its tag moves, and goes on following all else on its own layers")
    func movedTag() async throws {
        let host = try TestHost()
        let vms = host.vms()
        let old = try await host.image("localhost/web:latest")
        try host.request("web.yaml", "image: localhost/web:latest")
        try await host.pass(vms)
        let new = try await host.image("localhost/web:latest", layers: ["base", "app 2"])
        try await host.pass(vms, at: 1)
        let held = try #require(try host.status("web"))
        #expect(held.phase == .held)
        #expect(held.reason == .imageMoved)
        #expect(held.image == .init(reference: "localhost/web:latest", wanted: new.digest, bound: old.digest))
        #expect(held.message.contains("slipway vm reset web"))

        try host.request("web.yaml", "image: localhost/web:latest\ncpus: 2")
        try await host.pass(vms, at: 2)
        #expect(try host.status("web")?.phase == .held)
        #expect(try host.config("web")?["cpus"]?["boot_vcpus"] == 2)
        #expect(
            try host.config("web")?["disks"]?[1]?["path"]?.string?.contains(TestHost.key("app").description)
                == true
        )
        #expect(try await host.pass(vms, at: 3).isEmpty)

        host.images.point("localhost/web:latest", at: old)
        try await host.pass(vms, at: 4)
        #expect(try host.status("web")?.phase == .ready)
    }

    @Test("is held when its request names another image, and its config stays")
    func editedImage() async throws {
        let host = try TestHost()
        let vms = host.vms()
        let old = try await host.image("localhost/web:1")
        try await host.image("localhost/web:2", layers: ["base", "app 2"])
        try host.request("web.yaml", "image: localhost/web:1")
        try await host.pass(vms)
        let config = try host.config("web")
        for (second, reference) in [(1, "localhost/web:2"), (2, "localhost/nowhere:1")] {
            try host.request("web.yaml", "image: \(reference)\ncpus: 4")
            try await host.pass(vms, at: Int64(second))
            #expect(try host.status("web")?.phase == .held)
            #expect(try host.status("web")?.image?.bound == old.digest)
            #expect(try host.config("web") == config)
        }
        try host.request("web.yaml", "image: localhost/web:1")
        try await host.pass(vms, at: 3)
        #expect(try host.status("web")?.phase == .ready)
    }

    @Test("stays ready on its layers when its tag is gone")
    func goneTag() async throws {
        let host = try TestHost()
        let vms = host.vms()
        try await host.image("localhost/web:1")
        try host.request("web.yaml", "image: localhost/web:1")
        try await host.pass(vms)
        host.images.point("localhost/web:1", at: nil)
        try host.request("web.yaml", "image: localhost/web:1\ncpus: 2")
        try await host.pass(vms, at: 1)
        #expect(try host.status("web")?.phase == .ready)
        #expect(try host.config("web")?["cpus"]?["boot_vcpus"] == 2)
    }

    @Test("is made anew on the new image where the settings say so, once no hypervisor runs on its disk")
    func recreate() async throws {
        let host = try TestHost { $0.onImageChange = .recreate }
        let vms = host.vms()
        try await host.image("localhost/web:latest")
        try host.request("web.yaml", "image: localhost/web:latest")
        try await host.pass(vms)
        let new = try await host.image("localhost/web:latest", layers: ["base", "app 2"])
        do {
            let hypervisor = try host.hypervisor(on: "web")
            try await host.pass(vms, at: 1)
            let held = try #require(try host.status("web"))
            #expect(held.phase == .held)
            #expect(held.reason == .running)
            #expect(held.running)
            withExtendedLifetime(hypervisor) {}
        }
        #expect(try await host.pass(vms, at: 2).map(\.action) == [.recreate])
        #expect(try host.status("web")?.phase == .ready)
        #expect(try await host.bindings()["web"]?.image == new.digest)
        #expect(try host.retiredFolders().count == 1)
        #expect(
            try host.config("web")?["disks"]?[1]?["path"]?.string?.contains(TestHost.key("app 2").description)
                == true
        )
    }

    @Test("that cannot be made anew stays as it is")
    func recreateRefused() async throws {
        let host = try TestHost { $0.onImageChange = .recreate }
        let vms = host.vms()
        try await host.image("localhost/web:latest")
        try host.request("web.yaml", "image: localhost/web:latest")
        try await host.pass(vms)
        let config = try host.config("web")
        try await host.image("localhost/web:latest", layers: ["base", "no kernel"], hasKernel: false)
        #expect(try await host.pass(vms, at: 1).map(\.result) == [.failed])
        #expect(try host.status("web")?.reason == .kernelNotFound)
        #expect(try host.config("web") == config)
        #expect(try host.retiredFolders().isEmpty)
    }
}
