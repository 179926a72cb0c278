import CloudHypervisor
import Documents
import ImageBackend
import OCI
import Store
import SystemPackage
import TestSupport
import Testing

@testable import Provisioning

@Suite("A rendered config")
struct ConfigRendererTests {
    var settings = VMSettings(requests: "/srv/requests", vms: "/srv/vms")

    func render(
        _ text: String,
        layers: Int = 2,
        boot: BootConfig? = BootConfig(kernelPath: "/b/vmlinuz", initrdPath: "/b/initrd"),
        identity: String = "host-1"
    ) throws -> JSONValue {
        let bytes = try renderer(identity).render(try request("image: a\n\(text)"), image(layers, boot))
        #expect(HypervisorCheck.problems(bytes) == [], "\(text)")
        return try Document.parse(bytes, file: "config.json", format: .json).jsonValue
    }

    func renderer(_ identity: String = "host-1") -> ConfigRenderer {
        ConfigRenderer(settings: settings, identity: identity)
    }

    func image(_ layers: Int, _ boot: BootConfig? = nil) -> VMConfiguration {
        let keys = (0..<layers).map { LayerKey(diffID: .sha256(of: Array("\($0)".utf8))) }
        return VMConfiguration(
            image: .sha256(of: []),
            keys: keys,
            storage: keys.enumerated().map {
                StorageConfig(
                    path: FilePath("/srv/store/blobs/sha256").appending("\($0.element).erofs"),
                    isReadOnly: true,
                    serial: "layer\($0.offset)"
                )
            },
            boot: boot,
            imageConfig: "{}"
        )
    }

    func problem(_ text: String, layers: Int = 2, boot: BootConfig? = nil) throws -> RequestFile.Problem {
        try #require(throws: RequestFile.Problem.self) {
            try renderer().render(
                try request("image: a\n\(text)"),
                image(layers, boot ?? BootConfig(kernelPath: "/b/vmlinuz", initrdPath: "/b/initrd"))
            )
        }
    }

    @Test("of a minimal request is exactly this")
    func minimal() throws {
        let blob0 = try #require(image(2).storage.first).path.string
        let blob1 = image(2).storage[1].path.string
        let expected = try json(
            """
            {"cpus": {"boot_vcpus": 1, "max_vcpus": 1},
             "memory": {"size": 536870912},
             "payload": {"kernel": "/b/vmlinuz", "initramfs": "/b/initrd",
                "cmdline": "console=ttyS0 boot=cocoon-overlay cocoon.layers=layer1,layer0 cocoon.cow=cow rw"},
             "disks": [
                {"id": "layer0", "path": "\(blob0)", "image_type": "Raw", "readonly": true, "serial": "layer0"},
                {"id": "layer1", "path": "\(blob1)", "image_type": "Raw", "readonly": true, "serial": "layer1"},
                {"id": "cow", "path": "/srv/vms/web/cow.raw", "image_type": "Raw", "direct": true, "serial": "cow"}],
             "serial": {"mode": "File", "file": "/srv/vms/web/serial.log"},
             "console": {"mode": "Off"}}
            """
        )
        #expect(try render("") == expected)
    }

    @Test("is the same bytes for the same input")
    func reproducible() throws {
        let parsed = try request(
            "image: a\nnets: [{}, {}]\ncloudHypervisor: { watchdog: true, pvpanic: true }"
        )
        let first = try renderer().render(parsed, image(40, BootConfig(kernelPath: "/k", initrdPath: "/i")))
        for _ in 0..<5 {
            #expect(
                try renderer().render(parsed, image(40, BootConfig(kernelPath: "/k", initrdPath: "/i")))
                    == first
            )
        }
    }

    @Test("has the processors, memory and vsock asked for, or the settings' defaults")
    func machine() throws {
        let config = try render("cpus: 2\nmaxCpus: 4\nmemory: 1GiB\nhugepages: true\nvsock: { cid: 7 }")
        #expect(config["cpus"] == ["boot_vcpus": 2, "max_vcpus": 4])
        #expect(config["memory"] == ["size": 1_073_741_824, "hugepages": true])
        #expect(config["vsock"] == ["cid": 7, "socket": "/srv/vms/web/vsock.sock"])
        var other = self
        other.settings.defaults.cpus = 3
        other.settings.defaults.memory.size = 1 << 28
        #expect(try other.render("")["cpus"] == ["boot_vcpus": 3, "max_vcpus": 3])
        #expect(try other.render("")["memory"]?["size"] == 268_435_456)
        #expect(try other.problem("maxCpus: 2").message.contains("maxCpus is 2"))
    }

    @Test("without a console keeps the serial port in a file; with one, the kernel's console is that")
    func console() throws {
        let pty = try render("console: { mode: Pty }")
        #expect(pty["console"] == ["mode": "Pty"])
        #expect(pty["serial"] == ["mode": "File", "file": "/srv/vms/web/serial.log"])
        #expect(pty["payload"]?["cmdline"]?.string?.hasPrefix("console=ttyS0 console=hvc0 boot=") == true)
        #expect(try render("console: { mode: File }")["console"]?["file"] == "/srv/vms/web/console.log")
        #expect(try render("console: { mode: Off }") == render(""))
    }

    @Test("gives an interface the address asked for, or one of its own that never changes")
    func macs() throws {
        let text = "nets: [{ tap: tap0, mac: '52:54:00:12:34:56' }, {}, {}]"
        let nets = try #require(try render(text)["net"]?.array)
        #expect(nets[0] == ["id": "net0", "tap": "tap0", "mac": "52:54:00:12:34:56"])
        let made = nets[1...].compactMap { $0["mac"]?.string }
        #expect(made.count == 2)
        #expect(Set(made).count == 2)
        #expect(made.allSatisfy { MACAddress($0).map { $0.bytes[0] & 3 == 2 } == true })
        #expect(try render(text)["net"]?.array == nets)
        #expect(try render(text, identity: "host-2")["net"]?[1] != nets[1])
        #expect(try render("name: other\n\(text)")["net"]?[1] != nets[1])
    }

    @Test("carries a static address, name servers and hostname on the kernel command line")
    func network() throws {
        let config = try render(
            """
            nets: [{}, { ip: 10.1.2.3/20, gateway: 10.1.0.1 }]
            dns: [10.0.0.1, 10.0.0.2]
            hostname: web-1
            kernel: { args: quiet mitigations=off }
            """
        )
        let line = try #require(config["payload"]?["cmdline"]?.string)
        #expect(
            line.hasSuffix(
                "cocoon.cow=cow rw ip=10.1.2.3::10.1.0.1:255.255.240.0:web-1:eth1:off:10.0.0.1:10.0.0.2 "
                    + "hostname=web-1 systemd.hostname=web-1 quiet mitigations=off"
            )
        )
    }

    @Test("takes the kernel from the image, else from the default profile; a profile by name wins")
    func kernels() throws {
        var other = self
        other.settings.bootProfiles = [
            "default": .init(kernel: "/host/vmlinuz", initramfs: "/host/initramfs"),
            "debug": .init(kernel: "/debug/vmlinuz", initramfs: "/debug/initramfs"),
        ]
        #expect(try other.render("")["payload"]?["kernel"] == "/b/vmlinuz")
        #expect(try other.render("", boot: nil)["payload"]?["kernel"] == "/host/vmlinuz")
        #expect(try other.render("", boot: nil)["payload"]?["initramfs"] == "/host/initramfs")
        #expect(try other.render("kernel: { profile: debug }")["payload"]?["kernel"] == "/debug/vmlinuz")
        let unknown = try other.problem("kernel: { profile: nope }")
        #expect(unknown.reason == .bootProfileUnknown)
        #expect(unknown.message.contains("debug, default"))
        let none = try #require(throws: RequestFile.Problem.self) {
            try renderer().render(try request("image: a"), image(1, nil))
        }
        #expect(none.reason == .kernelNotFound)
    }

    @Test(
        "has the disk slipway where the guest is to be told something: without an own kernel, or by the request"
    )
    func guestDisk() throws {
        var other = self
        other.settings.bootProfiles = [
            "default": .init(kernel: "/host/vmlinuz", initramfs: "/host/initramfs")
        ]
        let expected: JSONValue = [
            "id": "slipway", "path": "/srv/vms/web/slipway.erofs", "image_type": "Raw", "readonly": true,
            "serial": "slipway",
        ]
        func disks(_ text: String, _ boot: BootConfig? = nil, layers: Int = 2) throws -> [JSONValue] {
            try #require(try other.render(text, layers: layers, boot: boot)["disks"]?.array)
        }
        let own = BootConfig(kernelPath: "/b/vmlinuz", initrdPath: "/b/initrd")
        #expect(try disks("")[2] == expected)
        #expect(try disks("kernel: { profile: default }", own)[2] == expected)
        #expect(try disks("hostname: web-1", own)[2] == expected)
        #expect(try disks("nets: [{ ip: 10.0.0.2/24 }]", own)[2] == expected)
        #expect(try disks("nets: [{}]", own).count == 3)
        #expect(try disks("").last?["id"] == "cow")
        // It takes a slot of segment 0 like any other.
        for layers in [28, 29, 31, 127] {
            let config = try other.render("vsock: { cid: 3 }", layers: layers, boot: nil)
            let segments = Dictionary(grouping: try #require(config["disks"]?.array)) {
                $0["pci_segment"]?.integer ?? 0
            }
            #expect(segments.values.allSatisfy { $0.count <= 31 })
            #expect(Rules.check(config, version: .oldestSupported).isEmpty)
        }
    }

    @Test(
        "spreads layers over PCI segments when segment 0 cannot take them all",
        arguments: [(1, 1), (28, 1), (29, 2), (31, 2), (32, 3), (62, 3), (127, 6)]
    )
    func segments(layers: Int, count: Int64) throws {
        let config = try render("vsock: { cid: 3 }", layers: layers)
        // The writable disk, vsock and rng share segment 0 with them.
        #expect(config["platform"]?["num_pci_segments"]?.integer ?? 1 == count)
        let disks = try #require(config["disks"]?.array)
        #expect(disks.count == layers + 1)
        let segments = Dictionary(grouping: disks) { $0["pci_segment"]?.integer ?? 0 }.mapValues(\.count)
        #expect(segments.values.allSatisfy { $0 <= 31 })
        #expect(segments.keys.max() == count - 1)
        #expect(Rules.check(config, version: .oldestSupported).isEmpty)
    }

    @Test("counts the devices that a patch adds before it spreads the layers")
    func patchedDevices() throws {
        #expect(try render("", layers: 29)["platform"] == nil)
        let config = try render("cloudHypervisor: { watchdog: true, balloon: { size: 0 } }", layers: 29)
        #expect(config["platform"]?["num_pci_segments"] == 2)
    }

    @Test("whose command line would be too long for a kernel is refused")
    func commandLine() throws {
        let room = 2047 - (try #require(try render("")["payload"]?["cmdline"]?.string)).utf8.count - 1
        _ = try render("kernel: { args: \(String(repeating: "x", count: room)) }")
        let refused = try problem("kernel: { args: \(String(repeating: "x", count: room + 1)) }")
        #expect(refused.reason == .limitExceeded)
        #expect(refused.message.contains("bytes of the kernel command line: 2048, and 2047 is the limit"))
        #expect(refused.message.contains("kernel.args"))
        #expect(try problem("", layers: 300).reason == .limitExceeded)
    }

    @Test("is written compact where pretty would pass what the API takes, and refused beyond")
    func size() throws {
        func bytes(_ count: Int) throws -> [UInt8] {
            let strings = Array(repeating: "\"abcdefgh\"", count: count).joined(separator: ",")
            return try renderer().render(
                try request("image: a\ncloudHypervisor: { platform: { oem_strings: [\(strings)] } }"),
                image(2, BootConfig(kernelPath: "/k", initrdPath: "/i"))
            )
        }
        #expect(try bytes(100).contains(UInt8(ascii: "\n")))
        let compact = try bytes(4000)
        #expect(!compact.contains(UInt8(ascii: "\n")))
        #expect(compact.count <= Limits.requestBody)
        let refused = try #require(throws: RequestFile.Problem.self) { try bytes(6000) }
        #expect(refused.reason == .limitExceeded)
    }

    @Test("follows the merge patch: objects merge, null removes, lists are replaced")
    func patch() throws {
        let config = try render(
            """
            nets: [{ tap: tap0 }]
            cloudHypervisor:
              memory: { thp: false, hugepages: null }
              net: [{ tap: tap9 }]
              watchdog: true
            hugepages: true
            """
        )
        #expect(config["memory"] == ["size": 536_870_912, "thp": false])
        #expect(config["net"] == [["tap": "tap9"]])
        #expect(config["watchdog"] == true)
    }

    @Test(
        "that a patch makes invalid is refused with the place in the patch's terms",
        arguments: [
            ("{ cpus: { max_vcpus: 0 } }", "cpus.max_vcpus"), ("{ watchdogg: true }", "watchdogg"),
            ("{ memory: { size: 512M } }", "memory.size"),
            ("{ vsock: { cid: 1, socket: /srv/vms/web/v } }", "vsock.cid"),
            ("{ net: [{ num_queues: 1 }] }", "net[0].num_queues"),
            ("{ console: { mode: Socket } }", "console.mode"),
            ("{ serial: { mode: File, file: serial.log } }", "serial.file"),
        ]
    )
    func invalidPatch(patch: String, place: String) throws {
        let refused = try problem("cloudHypervisor: \(patch)")
        #expect(refused.reason == .configInvalid)
        #expect(refused.message.hasPrefix("cloudHypervisor: "))
        #expect(refused.message.contains(place), "\(refused.message)")
    }

    @Test(
        "names no path of the host that is not the VM's or allowed",
        arguments: [
            ("{ serial: { mode: File, file: /etc/cron.d/x } }", false),
            ("{ serial: { mode: File, file: /srv/vms/web/../db/cow.raw } }", false),
            ("{ serial: { mode: File, file: /srv/vms/web-2/serial.log } }", false),
            ("{ serial: { mode: File, file: /srv/vms/web/./serial.log } }", false),
            ("{ serial: { mode: File, file: /srv/vms/web/other.log } }", true),
            ("{ rng: { src: /dev/random } }", false),
            ("{ rng: { src: /dev/hwrng } }", true),
            ("{ fs: [{ tag: t, socket: /run/fs/a.sock }], memory: { shared: true } }", true),
            ("{ fs: [{ tag: t, socket: /run/fsx/a.sock }], memory: { shared: true } }", false),
            ("{ vsock: { cid: 5, socket: /tmp/v.sock } }", false),
            ("{ pmem: [{ file: /etc/shadow }] }", false),
        ]
    )
    func hostPaths(patch: String, isAllowed: Bool) throws {
        var other = self
        other.settings.allowPaths = ["/dev/hwrng", "/run/fs"]
        guard !isAllowed else {
            _ = try other.render("cloudHypervisor: \(patch)")
            return
        }
        #expect(try other.problem("cloudHypervisor: \(patch)").reason == .pathNotAllowed)
    }

    @Test("names no path that leads elsewhere by a symbolic link")
    func links() async throws {
        let folder = try TemporaryDirectory("links")
        var other = self
        other.settings = VMSettings(requests: folder.appending("requests"), vms: folder.appending("vms"))
        try folder.write("", to: "vms/web/there")
        try await check("ln", ["-s", "/etc", folder.appending("vms/web/out").string])
        try await check("ln", ["-s", "there", folder.appending("vms/web/in").string])
        let vm = folder.appending("vms/web").string
        let refused = try other.problem(
            "cloudHypervisor: { serial: { mode: File, file: \(vm)/out/cron.d/x } }"
        )
        #expect(refused.reason == .pathNotAllowed)
        #expect(refused.message.contains("symbolic link"))
        _ = try other.render("cloudHypervisor: { serial: { mode: File, file: \(vm)/in } }")
    }

    @Test("of any request here passes every rule of the hypervisor", arguments: [1, 30, 127])
    func rules(layers: Int) throws {
        for text in [
            "", "cpus: 8\nmaxCpus: 16", "nets: [{}, {}, {}]\nvsock: { cid: 9 }", "console: { mode: Pty }",
            "hugepages: true\nmemory: 2GiB", "cloudHypervisor: { watchdog: true, pvpanic: true }",
        ] {
            #expect(Rules.check(try render(text, layers: layers), version: .oldestSupported) == [], "\(text)")
        }
    }
}
