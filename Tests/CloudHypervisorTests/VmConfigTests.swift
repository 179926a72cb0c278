import CloudHypervisor
import Documents
import Testing

@Suite("A VmConfig as a value")
struct VmConfigTests {
    static func config() -> VmConfig {
        VmConfig(
            memory: VmConfig.Memory(size: 1 << 30),
            payload: .kernel(path: "/k/vmlinuz", commandLine: "quiet", initramfs: "/k/initrd"),
            serial: VmConfig.Console(mode: .file("/v/serial.log"))
        )
    }

    @Test("leaves defaults out, but never an image's type nor the console")
    func defaults() throws {
        var config = Self.config()
        config.disks = [
            VmConfig.Disk(id: "layer0", path: "/l/0.erofs", isReadOnly: true, serial: "layer0"),
            VmConfig.Disk(path: "/v/cow.raw"),
        ]
        #expect(
            config.json
                == (try Examples.json(
                    """
                    {"cpus":{"boot_vcpus":1,"max_vcpus":1},"memory":{"size":1073741824},
                     "payload":{"kernel":"/k/vmlinuz","cmdline":"quiet","initramfs":"/k/initrd"},
                     "disks":[{"id":"layer0","path":"/l/0.erofs","readonly":true,"image_type":"Raw","serial":"layer0"},
                              {"path":"/v/cow.raw","image_type":"Raw"}],
                     "serial":{"mode":"File","file":"/v/serial.log"},"console":{"mode":"Off"}}
                    """
                ))
        )
        #expect(Rules.check(config.json, version: .oldestSupported) == [])
    }

    /// A config with every property set to something else than its default.
    static func whole() -> VmConfig {
        var config = Self.config()
        config.cpus = VmConfig.CPUs(boot: 2, max: 4)
        config.cpus.nested = false
        config.memory.hotplugMethod = .virtioMem
        config.memory.hotplugSize = 128 << 20
        config.memory.isShared = true
        config.memory.usesHugePages = true
        config.memory.hugePageSize = 1 << 30
        config.memory.isPrefaulted = true
        config.memory.usesTransparentHugePages = false
        let bucket = VmConfig.RateLimiter.Bucket(size: 10, burst: 0, refillMilliseconds: 100)
        config.rateLimitGroups = [
            VmConfig.RateLimitGroup(
                id: "g",
                limiter: VmConfig.RateLimiter(bandwidth: bucket, operations: bucket)
            )
        ]
        var disk = VmConfig.Disk(id: "cow", path: "/v/cow.raw", serial: "cow")
        disk.isDirect = true
        disk.queues = 2
        disk.queueSize = 256
        disk.pciSegment = 1
        disk.isSparse = false
        disk.rateLimitGroup = "g"
        var limited = VmConfig.Disk(path: "/v/data.raw")
        limited.rateLimiter = VmConfig.RateLimiter(operations: bucket)
        config.disks = [disk, limited]
        var net = VmConfig.Net(id: "net0", tap: "tap0", mac: "52:54:00:12:34:56")
        net.mtu = 1500
        net.queues = 4
        net.queueSize = 512
        net.pciSegment = 1
        net.rateLimiter = VmConfig.RateLimiter(bandwidth: bucket)
        config.nets = [net]
        config.rng = VmConfig.RNG(source: "/dev/random")
        config.balloon = VmConfig.Balloon(size: 0, deflatesOnOOM: true, reportsFreePages: true)
        config.console = VmConfig.Console(mode: .pty)
        config.vsock = VmConfig.Vsock(cid: 12, socket: "/v/vsock.sock")
        config.watchdog = true
        config.pvpanic = true
        config.platform = VmConfig.Platform(pciSegments: 2, oemStrings: ["a"])
        return config
    }

    @Test("all that can be set follows schema and rules of the oldest release")
    func whole() throws {
        var config = Self.whole()
        config.memory.hugePageSize = 2 << 20
        #expect(Rules.check(config.json, version: .oldestSupported) == [])
    }

    @Test("every property reaches the JSON")
    func reaches() throws {
        let json = Self.whole().json
        #expect(json["cpus"] == (try Examples.json(#"{"boot_vcpus":2,"max_vcpus":4,"nested":false}"#)))
        #expect(
            json["memory"]
                == (try Examples.json(
                    """
                    {"size":1073741824,"hotplug_method":"VirtioMem","hotplug_size":134217728,"shared":true,
                     "hugepages":true,"hugepage_size":1073741824,"prefault":true,"thp":false}
                    """
                ))
        )
        #expect(
            json["disks"]?[0]
                == (try Examples.json(
                    """
                    {"id":"cow","path":"/v/cow.raw","image_type":"Raw","serial":"cow","direct":true,"num_queues":2,
                     "queue_size":256,"pci_segment":1,"sparse":false,"rate_limit_group":"g"}
                    """
                ))
        )
        #expect(
            json["net"]?[0]
                == (try Examples.json(
                    """
                    {"id":"net0","tap":"tap0","mac":"52:54:00:12:34:56","mtu":1500,"num_queues":4,"queue_size":512,
                     "pci_segment":1,"rate_limiter_config":{"bandwidth":{"size":10,"one_time_burst":0,"refill_time":100}}}
                    """
                ))
        )
        #expect(json["platform"] == ["num_pci_segments": 2, "oem_strings": ["a"]])
        #expect(json["balloon"] == ["size": 0, "deflate_on_oom": true, "free_page_reporting": true])
        #expect(json["vsock"] == ["cid": 12, "socket": "/v/vsock.sock"])
    }

    @Test(
        "consoles in all modes",
        arguments: [
            (VmConfig.Console.Mode.off, #"{"mode":"Off"}"#), (.null, #"{"mode":"Null"}"#),
            (.pty, #"{"mode":"Pty"}"#),
            (.tty, #"{"mode":"Tty"}"#), (.file("/f"), #"{"mode":"File","file":"/f"}"#),
            (.socket("/s"), #"{"mode":"Socket","socket":"/s"}"#),
        ]
    )
    func consoles(mode: VmConfig.Console.Mode, expected: String) throws {
        #expect(VmConfig.Console(mode: mode).json == (try Examples.json(expected)))
    }

    @Test("a firmware stands alone")
    func firmware() throws {
        var config = Self.config()
        config.payload = .firmware(path: "/f")
        #expect(config.json["payload"] == ["firmware": "/f"])
        #expect(Rules.check(config.json, version: .oldestSupported) == [])
    }

    @Test("127 layers fit the API's request body")
    func body() {
        var config = Self.config()
        config.platform.pciSegments = 6
        config.disks = (0..<127).map { index in
            var disk = VmConfig.Disk(
                id: "layer\(index)",
                path: "/var/lib/slipway/store/blobs/sha256/00/\(String(repeating: "0", count: 64)).\(index)",
                isReadOnly: true,
                serial: "layer\(index)"
            )
            disk.pciSegment = UInt16(1 + index / 31)
            return disk
        }
        #expect(Rules.check(config.json, version: .oldestSupported) == [])
        #expect(config.json.serialized(pretty: false).count < Limits.requestBody)
        #expect(config.json.serialized(pretty: true) == config.json.serialized(pretty: true))
    }
}
