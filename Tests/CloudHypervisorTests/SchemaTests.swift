import CloudHypervisor
import Documents
import Testing

@Suite("The schema of a VmConfig")
struct SchemaTests {
    /// Merges a patch into the minimal config and checks it.
    static func check(_ patch: String, _ version: HypervisorVersion = HypervisorVersion(53)) throws
        -> [Violation]
    {
        Rules.check(
            try Examples.json(Examples.minimal).merging(patch: Examples.json(patch)),
            version: version
        )
    }

    @Test("the minimal config is right on every release")
    func minimal() throws {
        #expect(try Self.check("{}", .oldestSupported) == [])
        #expect(try Self.check("{}") == [])
    }

    @Test("the maximal config is right on the release it is for")
    func maximal() throws {
        #expect(Rules.check(try Examples.json(Examples.maximal), version: HypervisorVersion(53)) == [])
    }

    @Test("on an older release, every field that it would ignore is named")
    func gating() throws {
        let config = try Examples.json(Examples.maximal)
        #expect(
            Rules.check(config, version: HypervisorVersion(52)).map(\.path).sorted() == [
                "balloon.id", "cpus.profile", "memory.reserve", "platform.chassis_asset_tag",
                "platform.system_family",
                "platform.system_manufacturer", "platform.system_product_name",
                "platform.system_serial_number",
                "platform.system_sku_number", "platform.system_uuid", "platform.system_version",
            ]
        )
        let oldest = Set(Rules.check(config, version: HypervisorVersion(51)).map(\.path))
        #expect(
            oldest.isSuperset(of: [
                "console.id", "cpus.core_scheduling", "disks[0].lock_granularity", "disks[2].pci_device_id",
                "rng.id",
            ])
        )
    }

    @Test(
        "fields and words of later releases are refused before, and taken from then on",
        arguments: [
            (#"{"rtc":{}}"#, "rtc", 53), (#"{"generic_vhost_user":[]}"#, "generic_vhost_user", 52),
            (#"{"platform":{"iommufd":true}}"#, "platform.iommufd", 52),
            (#"{"platform":{"vfio_p2p_dma":false}}"#, "platform.vfio_p2p_dma", 52),
            (#"{"rng":{"src":"/dev/random","pci_segment":0}}"#, "rng.pci_segment", 52),
            (#"{"console":{"pci_segment":0}}"#, "console.pci_segment", 52),
            (#"{"balloon":{"size":0,"pci_segment":0}}"#, "balloon.pci_segment", 53),
            (#"{"disks":[{"path":"/a","image_type":"FlatVmdk"}]}"#, "disks[0].image_type", 54),
        ]
    )
    func gate(patch: String, path: String, release: Int) throws {
        #expect(try Self.check(patch, HypervisorVersion(release)) == [])
        let earlier = try Self.check(patch, HypervisorVersion(release - 1))
        #expect(earlier.map(\.path) == [path])
        #expect(earlier.first?.message.contains("needs Cloud Hypervisor \(release).0") == true)
    }

    @Test(
        "what does not follow it is named with its place",
        arguments: [
            (#"{"disk":[]}"#, "disk", "did you mean 'disks'?"),
            (
                #"{"disks":[{"path":"/a","read_only":true}]}"#, "disks[0].read_only",
                "did you mean 'readonly'?"
            ),
            (#"{"gdb":true}"#, "gdb", "knows no 'gdb'"),
            (#"{"net":[{"fds":[3]}]}"#, "net[0].fds", "knows no 'fds'"),
            (#"{"cpus":{"boot_vcpus":1}}"#, "cpus", "'max_vcpus' is missing"),
            (#"{"vsock":{"cid":3}}"#, "vsock", "'socket' is missing"),
            (#"{"memory":{"size":"512M"}}"#, "memory.size", "it is a string, and a whole number is expected"),
            (#"{"memory":{"size":1.5}}"#, "memory.size", "a number with a fraction or exponent"),
            (#"{"memory":{"size":-1}}"#, "memory.size", "it is -1"),
            (#"{"cpus":{"boot_vcpus":4294967296,"max_vcpus":1}}"#, "cpus.boot_vcpus", "from 0 to 4294967295"),
            (#"{"disks":[{"path":"/a","queue_size":65536}]}"#, "disks[0].queue_size", "from 0 to 65535"),
            (#"{"disks":{}}"#, "disks", "it is an object, and a list is expected"),
            (#"{"disks":[[]]}"#, "disks[0]", "it is a list, and an object is expected"),
            // Within a list, a merge patch keeps null.
            (
                #"{"disks":[{"path":"/a","serial":null,"image_type":null}]}"#, "disks[0].image_type",
                "null is not allowed"
            ),
            (#"{"watchdog":"yes"}"#, "watchdog", "true or false is expected"),
            (#"{"console":{"mode":"off"}}"#, "console.mode", "did you mean 'Off'?"),
            (#"{"payload":{"kernel":7}}"#, "payload.kernel", "a path is expected"),
            (#"{"payload":{"kernel":"vmlinux"}}"#, "payload.kernel", "not an absolute path"),
            (#"{"payload":{"kernel":""}}"#, "payload.kernel", "not an absolute path"),
            (#"{"payload":{"kernel":"/a\u0000b"}}"#, "payload.kernel", "a NUL character"),
            (#"{"platform":{"oem_strings":["a\u0000"]}}"#, "platform.oem_strings[0]", "a NUL character"),
            (#"{"numa":[{"cpus":[0]}]}"#, "numa[0]", "'guest_numa_id' is missing"),
            (
                #"{"rate_limit_groups":[{"id":"a","rate_limiter_config":{"iops":{"size":1,"refill_time":1}}}]}"#,
                "rate_limit_groups[0].rate_limiter_config.iops", "did you mean 'ops'?"
            ),
        ]
    )
    func refused(patch: String, path: String, reason: String) throws {
        let violations = try Self.check(patch)
        #expect(violations.map(\.path) == [path], "\(violations)")
        #expect(violations.first?.message.contains(reason) == true, "\(violations)")
    }

    @Test("null is legal where the hypervisor has an option")
    func nulls() throws {
        // A merge patch cannot set null: the text is changed instead.
        let text = Examples.minimal.replacing(
            #""console":"#,
            with: #""net":null,"vsock":null,"fs":null,"console":"#
        )
        #expect(Rules.check(try Examples.json(text), version: .oldestSupported) == [])
        let refused = Examples.minimal.replacing(
            #""console":{"mode":"Off"}"#,
            with: #""console":null,"cpus":null"#
        )
        #expect(
            Rules.check(try Examples.json(refused), version: .oldestSupported).map(\.path) == [
                "console", "cpus",
            ]
        )
    }

    @Test("what is no object is one violation")
    func noObject() {
        #expect(Rules.check(.array([]), version: .oldestSupported).count == 1)
        #expect(Rules.check(.null, version: .oldestSupported).map(\.path) == [""])
    }
}
