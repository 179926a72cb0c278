import Documents
import Host
import ImageBackend
import OCI
import Store
import Synchronization
import SystemPackage
import TestSupport
import Testing

@testable import Provisioning

@Suite("How layers come to a VM")
struct LayerChoiceTests {
    /// A pass, the merging that it begins, and the pass after that.
    private func settle(_ host: TestHost, _ vms: VMs, at seconds: Int64 = 0) async throws {
        try await host.pass(vms, at: seconds)
        await vms.waitForMerges()
        try await host.pass(vms, at: seconds)
    }

    private func serials(_ host: TestHost, _ name: String = "web") throws -> [String] {
        try #require(try host.config(name)?["disks"]?.array).compactMap { $0["serial"]?.string }
    }

    @Test("is a disk for each, where they fit; the status says so")
    func disks() async throws {
        let host = try TestHost()
        try await host.image("localhost/web:latest")
        try host.request("web.yaml", "image: localhost/web:latest")
        try await settle(host, host.vms())
        #expect(try serials(host) == ["layer0", "layer1", "cow"])
        let layers = try #require(try host.status("web")?.layers)
        #expect(layers.attachment == "disks")
        #expect(layers.disks == 2)
        #expect(host.images.mergeCalls.load(ordering: .relaxed) == 0)
    }

    @Test("is one merged disk where the request asks for that; until it is made, the VM waits and says so")
    func asked() async throws {
        let host = try TestHost()
        let vms = host.vms()
        let image = try await host.image("localhost/web:latest")
        try host.request("web.yaml", "image: localhost/web:latest\nlayers: merged")
        try await host.pass(vms)
        #expect(try host.status("web")?.phase == .waiting)
        #expect(try host.status("web")?.reason == .layersMerging)
        #expect(try host.config("web") == nil)
        #expect(try await host.bindings().isEmpty)
        await vms.waitForMerges()
        try await host.pass(vms, at: 1)
        #expect(try host.status("web")?.phase == .ready)
        #expect(try serials(host) == ["merged", "cow"])
        let config = try #require(try host.config("web"))
        #expect(config["payload"]?["cmdline"]?.string?.contains("cocoon.layers=merged ") == true)
        #expect(config["disks"]?[0]?["readonly"] == true)
        let binding = try #require(try await host.bindings()["web"])
        #expect(binding.merged == MergedRecord.id(of: image.layers.map(\.key)))
        #expect(binding.keys == image.layers.map(\.key))
        #expect(try host.status("web")?.layers?.attachment == "merged")
        #expect(try await host.pass(vms, at: 2).isEmpty)
        #expect(host.images.mergeCalls.load(ordering: .relaxed) == 1)
    }

    @Test(
        "is one merged disk by itself where disks would pass a limit, which the status names",
        arguments: [(150, "overlay options"), (300, "kernel command line")]
    )
    func automatic(layers: Int, limit: String) async throws {
        let host = try TestHost()
        try await host.image("localhost/web:latest", layers: (0..<layers).map { "layer \($0)" })
        try host.request("web.yaml", "image: localhost/web:latest")
        try await settle(host, host.vms())
        #expect(try serials(host) == ["merged", "cow"])
        let reason = try #require(try host.status("web")?.layers?.reason)
        #expect(reason.contains(limit), "\(reason)")
        #expect(try host.config("web")?["platform"] == nil)
    }

    @Test("of a hundred layers is a disk for each on several PCI segments")
    func hundred() async throws {
        let host = try TestHost()
        try await host.image("localhost/web:latest", layers: (0..<100).map { "layer \($0)" })
        try host.request("web.yaml", "image: localhost/web:latest")
        try await settle(host, host.vms())
        #expect(try serials(host).count == 101)
        #expect(try host.config("web")?["platform"]?["num_pci_segments"] == 5)
    }

    @Test("is refused where the request insists on disks that do not fit")
    func insists() async throws {
        let host = try TestHost()
        try await host.image("localhost/web:latest", layers: (0..<200).map { "layer \($0)" })
        try host.request("web.yaml", "image: localhost/web:latest\nlayers: disks")
        try await settle(host, host.vms())
        #expect(try host.status("web")?.reason == .limitExceeded)
        #expect(try host.status("web")?.message.contains("layers: merged") == true)
        #expect(try await host.bindings().isEmpty)
    }

    @Test("stays as it was when the VM was bound, whatever the request asks for later, until a reset")
    func bound() async throws {
        let host = try TestHost()
        let vms = host.vms()
        try await host.image("localhost/web:latest")
        try host.request("web.yaml", "image: localhost/web:latest")
        try await settle(host, vms)
        try host.request("web.yaml", "image: localhost/web:latest\nlayers: merged\ncpus: 2")
        try await settle(host, vms, at: 1)
        #expect(try serials(host) == ["layer0", "layer1", "cow"])
        #expect(try host.config("web")?["cpus"]?["boot_vcpus"] == 2)
        #expect(try host.status("web")?.phase == .ready)
        #expect(try host.status("web")?.layers?.reason.contains("slipway vm reset web") == true)
        _ = try await vms.reset("web", now: TestHost.time(2))
        #expect(try serials(host) == ["merged", "cow"])
        try host.request("web.yaml", "image: localhost/web:latest\nlayers: disks")
        try await settle(host, vms, at: 3)
        #expect(try serials(host) == ["merged", "cow"])
        #expect(try await host.bindings()["web"]?.merged != nil)
    }

    @Test("that cannot be merged is said, and tried again in a later pass")
    func failure() async throws {
        let host = try TestHost()
        let vms = host.vms()
        try await host.image("localhost/web:latest")
        try host.request("web.yaml", "image: localhost/web:latest\nlayers: merged")
        host.images.failMerging(with: ImageError(.noSpace, "the disk is full", isTransient: true))
        try await settle(host, vms)
        #expect(try host.status("web")?.phase == .waiting)
        #expect(try host.status("web")?.message == "the disk is full")
        host.images.failMerging(with: nil)
        try await settle(host, vms, at: 1)
        #expect(try host.status("web")?.phase == .ready)
    }

    @Test("holds up no other VM while it is being merged")
    func beside() async throws {
        let host = try TestHost()
        let vms = host.vms()
        try await host.image("localhost/web:latest")
        let (gate, opener) = AsyncStream<Void>.makeStream()
        let commit = host.images.commitMerged.withLock { $0 }
        host.images.commitMerged.withLock {
            $0 = { keys in
                for await _ in gate {}
                try await commit?(keys)
            }
        }
        try host.request("a.yaml", "image: localhost/web:latest\nlayers: merged")
        try host.request("b.yaml", "image: localhost/web:latest")
        try await host.pass(vms)
        #expect(await vms.standing.isMerging)
        #expect(try host.status("a")?.reason == .layersMerging)
        #expect(try host.status("b")?.phase == .ready)
        opener.finish()
        await vms.waitForMerges()
        try await host.pass(vms, at: 1)
        #expect(try host.status("a")?.phase == .ready)
    }
}
