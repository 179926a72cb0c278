import OCI
import Store
import SystemPackage
import Testing

@testable import Provisioning

@Suite("vm render --explain")
struct ExplanationTests {
    private func facts(
        _ request: String,
        _ host: TestHost
    ) async throws -> [String: ConfigFact] {
        try host.request("web.yaml", request)
        let facts = try await host.vms().explain(host.settings.requests.appending("web.yaml"))
        return Dictionary(uniqueKeysWithValues: facts.map { ($0.subject, $0) })
    }

    @Test("says of each value whether the request, the settings, the image or nobody gave it")
    func origins() async throws {
        let host = try TestHost { $0.defaults.memory.size = 1 << 30 }
        let image = try await host.image("localhost/web:latest")
        let facts = try await facts("image: localhost/web:latest\ncpus: 3\nnets: [{ tap: tap0 }]", host)
        #expect(facts["cpus"] == ConfigFact(subject: "cpus", value: "3", reason: "request"))
        #expect(facts["memory"] == ConfigFact(subject: "memory", value: "1GiB", reason: "vms.defaults"))
        #expect(facts["watchdog"] == ConfigFact(subject: "watchdog", value: "false", reason: "built in"))
        #expect(facts["image"]?.value == image.digest.description)
        #expect(facts["image"]?.reason == "what localhost/web:latest means now")
        #expect(facts["nets[0].queues"]?.value == "1")
        #expect(facts["nets[0].queues"]?.reason.contains("tap0 is the host's") == true)
    }

    @Test("tells why layers are merged, and how near each limit is")
    func limits() async throws {
        let host = try TestHost()
        try await host.image("localhost/web:latest")
        let merged = try await facts("image: localhost/web:latest\nlayers: merged", host)
        #expect(merged["layers"]?.value == "merged: 2 layers on one disk")
        #expect(merged["layers"]?.reason == "the request asks for one merged disk")
        let disks = try await facts("image: localhost/web:latest", host)
        #expect(disks["layers"]?.value == "disks: 2 for 2 layers")
        let size = try await host.vms().render(host.settings.requests.appending("web.yaml")).count
        #expect(disks["bytes of the config"]?.value == "\(size) of 51200")
    }

    @Test("names what a VM is bound to, not what its tag means by now")
    func bound() async throws {
        let host = try TestHost()
        let first = try await host.image("localhost/web:latest")
        try host.request("web.yaml", "image: localhost/web:latest")
        try await host.pass(host.vms())
        try await host.image("localhost/web:latest", layers: ["other"])
        let facts = try await facts("image: localhost/web:latest", host)
        #expect(facts["image"]?.reason == "bound to \(first.digest)")
    }
}
