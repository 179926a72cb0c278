import Documents
import Host
import ImageBackend
import OCI
import Store
import SystemPackage
import Testing

@testable import Provisioning

@Suite("A pass over VMs of which nothing changed")
struct QuietTests {
    let host: TestHost
    let vms: VMs

    init() async throws {
        host = try TestHost()
        vms = host.vms()
        try await host.image("localhost/web:latest")
        try host.request(
            "web.yaml",
            "image: localhost/web:latest\ndataDisks: [{ name: pg, size: 16MiB, mount: /pg }]"
        )
        try host.request("other.yaml", "image: localhost/web:latest")
        try await settle()
    }

    /// One pass of an agent.
    @discardableResult
    private func pass() async throws -> [VMOutcome] {
        try await vms.reconcile(now: try await host.store.tick())
    }

    /// Passes until one has nothing to do and takes no closer look.
    private func settle() async throws {
        for _ in 0..<5 { try await pass() }
        #expect(try await isQuiet())
    }

    /// Overwrites a file as an editor does that keeps its inode.
    private func writeInPlace(_ text: String, _ path: FilePath) throws {
        let file = try File(path, .writeOnly, options: .truncate)
        try Array(text.utf8).withUnsafeBytes { try file.writeAll($0) }
    }

    /// Whether a pass takes no closer look.
    private func isQuiet() async throws -> Bool {
        let looked = await vms.looked
        try await pass()
        return await vms.looked == looked
    }

    @Test("takes no closer look, and nothing that follows is lost")
    func quiet() async throws {
        for _ in 0..<3 { #expect(try await isQuiet()) }
        try host.request("third.yaml", "image: localhost/web:latest")
        #expect(try await pass().map(\.name) == ["third"])
        try await settle()
    }

    @Test("but a request edited in place is followed")
    func requestEdited() async throws {
        let request = host.settings.requests.appending("web.yaml")
        try writeInPlace("image: localhost/web:latest\ncpus: 2", request)
        var outcomes = try await pass()
        // A child that another test is starting may hold the file for a moment.
        for _ in 1...200 where outcomes.isEmpty {
            try await Task.sleep(for: .milliseconds(20))
            outcomes = try await pass()
        }
        #expect(outcomes.map(\.name) == ["web"])
        #expect(try host.config("web")?["cpus"]?["boot_vcpus"] == 2)
    }

    @Test("but a request that went is noticed")
    func requestGone() async throws {
        try host.removeRequest("other.yaml")
        #expect(try await pass().map(\.action) == [.markAbsent])
    }

    @Test("but a config that was edited in place is put right")
    func configEdited() async throws {
        let config = try host.config("web")
        try writeInPlace("{}", host.path("web/config.json"))
        #expect(try await pass().map(\.name) == ["web"])
        #expect(try host.config("web") == config)
    }

    @Test("but a hypervisor that starts or ends is told of")
    func hypervisor() async throws {
        let lock = try host.hypervisor(on: "web")
        try await pass()
        #expect(try host.status("web")?.running == true)
        try await settle()
        try lock.unlock()
        try await pass()
        #expect(try host.status("web")?.running == false)
    }

    @Test("but a data disk that was removed is told of, and so is its return")
    func dataDisk() async throws {
        let disk = host.path("web/data-pg.raw"), aside = host.path("web/aside")
        try Directory.rename(disk, to: aside)
        #expect(try await pass().map(\.name) == ["web"])
        #expect(try host.status("web")?.reason == .diskMissing)
        #expect(try FileStatus.of(disk) == nil)
        try Directory.rename(aside, to: disk)
        try await pass()
        #expect(try host.status("web")?.phase == .ready)
    }

    @Test("but an image that its reference no longer means is told of, whoever moved it")
    func imageMoved() async throws {
        let other = try Store(layout: host.store.layout)
        let image = try #require(try await other.images().first)
        var record = image.record
        record.digest = .sha256(of: "another manifest".utf8)
        try await other.commitImage(
            record,
            references: ["localhost/web:latest"],
            source: .inbox("web.tar"),
            replacing: false
        )
        host.images.add(record, hasKernel: true)
        host.images.point("localhost/web:latest", at: record)
        try await pass()
        #expect(try host.status("web")?.phase == .held)
    }

    @Test("but what could not be told of an image is asked again, though nothing changed")
    func imageUnavailable() async throws {
        host.images.fail(with: ImageError(.store, "the index is busy", isTransient: true))
        try host.request("third.yaml", "image: localhost/web:latest")
        for _ in 0..<4 { try await pass() }
        #expect(try host.status("third")?.reason == .imageUnavailable)
        host.images.fail(with: nil)
        #expect(try await pass().first { $0.name == "third" }?.action == .create)
    }
}
