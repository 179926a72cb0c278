import Documents
import Host
import SystemPackage
import TestSupport
import Testing

@testable import Provisioning

@Suite("cloud-init's seed disk")
struct SeedTests {
    private let text = "image: localhost/web:latest\nuserData: |\n  #cloud-config\n  hostname: x\n"

    /// A file on a VM's seed disk.
    private func file(_ name: String, _ host: TestHost, vm: String = "web") async throws -> String {
        try await check("bsdtar", ["-xOf", host.path("\(vm)/cidata.iso").string, name])
    }

    private func metadata(_ host: TestHost) async throws -> JSONValue {
        try json(try await file("meta-data", host))
    }

    @Test("is an ISO image with the label cidata that holds what the request says, and an instance's id")
    func content() async throws {
        let host = try TestHost()
        try await host.image("localhost/web:latest")
        try host.request("web.yaml", text + "hostname: web-1.example")
        try await host.pass(host.vms())
        #expect(try await file("user-data", host) == "#cloud-config\nhostname: x\n")
        let metadata = try await metadata(host)
        #expect(metadata["local-hostname"] == "web-1.example")
        #expect(metadata["instance-id"]?.string?.hasPrefix("slipway-") == true)
        let label = try await check("blkid", ["-p", "-o", "export", host.path("web/cidata.iso").string])
        #expect(label.contains("LABEL=cidata\n"))
        #expect(label.contains("TYPE=iso9660"))
        let disk = try #require(try host.config("web")?["disks"]?.array?.last)
        #expect(disk["serial"] == "cidata")
        #expect(disk["readonly"] == true)
        #expect(disk["path"]?.string == host.path("web/cidata.iso").string)
        #expect(
            try FileStatus.of(host.path("web/cidata.iso"))?.permissions == FilePermissions(rawValue: 0o640)
        )
    }

    @Test("is the same bytes for the same request, whenever it is made")
    func reproducible() async throws {
        let host = try TestHost()
        let vms = host.vms()
        try await host.image("localhost/web:latest")
        try host.request("web.yaml", text)
        try await host.pass(vms)
        let before = try #require(try AtomicFile.read(host.path("web/cidata.iso")))
        let status = try FileStatus.of(host.path("web/cidata.iso"))
        // libarchive counts time in seconds.
        try await Task.sleep(for: .milliseconds(1100))
        try host.request("web.yaml", text + "cpus: 2")
        try await host.pass(vms, at: 1)
        #expect(try FileStatus.of(host.path("web/cidata.iso")) == status, "untouched")
        try Directory.unlink(host.path("web/cidata.iso"))
        try host.request("web.yaml", text + "cpus: 3")
        try await host.pass(vms, at: 2)
        #expect(try AtomicFile.read(host.path("web/cidata.iso")) == before)
    }

    @Test("tells cloud-init of a new instance when the disks are new, and of the old one when they come back")
    func instance() async throws {
        let host = try TestHost()
        let vms = host.vms()
        try await host.image("localhost/web:latest")
        try host.request("web.yaml", text)
        try await host.pass(vms)
        let first = try await metadata(host)["instance-id"]
        _ = try await vms.reset("web", now: TestHost.time(1))
        let second = try await metadata(host)["instance-id"]
        #expect(first != second)
        _ = try await vms.restore("web", now: TestHost.time(2))
        #expect(try await metadata(host)["instance-id"] == first)
    }

    @Test(
        "carries static addresses for cloud-init; without any, cloud-init asks by DHCP as it does by itself"
    )
    func network() async throws {
        let host = try TestHost()
        let vms = host.vms()
        try await host.image("localhost/web:latest")
        let nets =
            "nets: [{ ip: 10.0.0.2/24, gateway: 10.0.0.1, mac: '52:54:00:00:00:01' }, { mac: '52:54:00:00:00:02' }]"
        try host.request("web.yaml", "\(text)dns: [10.0.0.1]\n\(nets)")
        try await host.pass(vms)
        #expect(
            try json(try await file("network-config", host)) == [
                "version": 2,
                "ethernets": [
                    "net0": [
                        "match": ["macaddress": "52:54:00:00:00:01"], "addresses": ["10.0.0.2/24"],
                        "routes": [["to": "0.0.0.0/0", "via": "10.0.0.1"]],
                        "nameservers": ["addresses": ["10.0.0.1"]],
                    ],
                    "net1": ["match": ["macaddress": "52:54:00:00:00:02"], "dhcp4": true],
                ],
            ]
        )
        try host.request("web.yaml", "\(text)nets: [{}]")
        try await host.pass(vms, at: 1)
        #expect(
            try await !check("bsdtar", ["-tf", host.path("web/cidata.iso").string]).contains("network-config")
        )
    }

    @Test("goes when the request has no user data any more, and what it said is nowhere")
    func removed() async throws {
        let host = try TestHost()
        let vms = host.vms()
        try await host.image("localhost/web:latest")
        try host.request("web.yaml", "image: localhost/web:latest\nuserData: 'hunter2'")
        try await host.pass(vms)
        for name in ["config.json", "status.json"] {
            let bytes = try #require(try AtomicFile.read(host.path("web/\(name)")))
            #expect(!String(decoding: bytes, as: UTF8.self).contains("hunter2"))
        }
        try host.request("web.yaml", "image: localhost/web:latest")
        try await host.pass(vms, at: 1)
        #expect(try FileStatus.of(host.path("web/cidata.iso")) == nil)
        #expect(try host.config("web")?["disks"]?.array?.count == 3)
    }
}
