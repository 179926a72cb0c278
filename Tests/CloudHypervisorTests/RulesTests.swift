import CloudHypervisor
import Documents
import Testing

@Suite("The rules of a VmConfig")
struct RulesTests {
    static let shared = #""memory":{"size":536870912,"shared":true}"#

    @Test(
        "a config that breaks one rule has one violation, at its place",
        arguments: [
            // Payload
            (#"{"payload":null}"#, ""),
            (#"{"payload":{"kernel":null}}"#, "payload"),
            (#"{"payload":{"firmware":"/f"}}"#, "payload"),
            (#"{"payload":{"cmdline":"a\nb"}}"#, "payload.cmdline"),
            (#"{"payload":{"cmdline":"é"}}"#, "payload.cmdline"),
            // CPUs
            (#"{"cpus":{"boot_vcpus":0,"max_vcpus":1},"disks":null}"#, "cpus.boot_vcpus"),
            (#"{"cpus":{"boot_vcpus":2,"max_vcpus":1}}"#, "cpus.max_vcpus"),
            (#"{"cpus":{"boot_vcpus":1,"max_vcpus":8193}}"#, "cpus.max_vcpus"),
            (
                #"{"cpus":{"boot_vcpus":1,"max_vcpus":4,"topology":{"threads_per_core":1,"cores_per_die":3,"dies_per_package":1,"packages":1}}}"#,
                "cpus.topology"
            ),
            (
                #"{"cpus":{"boot_vcpus":1,"max_vcpus":4,"topology":{"threads_per_core":0,"cores_per_die":4,"dies_per_package":1,"packages":1}}}"#,
                "cpus.topology.threads_per_core"
            ),
            (
                #"{"cpus":{"boot_vcpus":1,"max_vcpus":1,"affinity":[{"vcpu":1,"host_cpus":[0]}]}}"#,
                "cpus.affinity[0].vcpu"
            ),
            (
                #"{"cpus":{"boot_vcpus":1,"max_vcpus":1,"affinity":[{"vcpu":0,"host_cpus":[0]},{"vcpu":0,"host_cpus":[1]}]}}"#,
                "cpus.affinity[1].vcpu"
            ),
            // Memory
            (#"{"memory":{"size":0}}"#, "memory.size"),
            (#"{"memory":{"size":1000}}"#, "memory.size"),
            (#"{"memory":{"size":3145728,"hugepages":true}}"#, "memory.size"),
            (#"{"memory":{"size":536870912,"hugepage_size":2097152}}"#, "memory.hugepage_size"),
            (
                #"{"memory":{"size":536870912,"hugepages":true,"hugepage_size":3000000}}"#,
                "memory.hugepage_size"
            ),
            (#"{"memory":{"size":536870912,"shared":true,"mergeable":true}}"#, "memory.mergeable"),
            (
                #"{"memory":{"size":536870912,"hotplug_size":134217728,"hotplugged_size":4096}}"#,
                "memory.hotplugged_size"
            ),
            (
                #"{"memory":{"size":536870912,"hotplug_method":"VirtioMem","hotplugged_size":134217728}}"#,
                "memory.hotplugged_size"
            ),
            (
                #"{"memory":{"size":536870912,"hotplug_method":"VirtioMem","hotplug_size":4096}}"#,
                "memory.hotplug_size"
            ),
            (#"{"memory":{"size":4096,"zones":[{"id":"z","size":4096}]}}"#, "memory.size"),
            (#"{"memory":{"size":0,"zones":[{"id":"z","size":0}]}}"#, "memory.zones[0].size"),
            (#"{"memory":{"size":0,"zones":[]}}"#, "memory.zones"),
            (
                #"{"memory":{"size":0,"zones":[{"id":"z","size":4096,"hotplug_size":134217728}]}}"#,
                "memory.zones[0].hotplug_size"
            ),
            (
                #"{"memory":{"size":0,"zones":[{"id":"z","size":4096,"shared":true,"mergeable":true}]}}"#,
                "memory.zones[0].mergeable"
            ),
            // Disks and limits
            (
                #"{"rate_limit_groups":[{"id":"g","rate_limiter_config":{}}]}"#,
                "rate_limit_groups[0].rate_limiter_config"
            ),
            (
                #"{"rate_limit_groups":[{"id":"","rate_limiter_config":{"ops":{"size":1,"refill_time":1}}}]}"#,
                "rate_limit_groups[0].id"
            ),
            (#"{"disks":[{"id":"a"}]}"#, "disks[0]"),
            (#"{"disks":[{"path":"/a","vhost_user":true,"vhost_socket":"/s"}],\#(shared)}"#, "disks[0]"),
            (#"{"disks":[{"path":"/a","vhost_user":true}],\#(shared)}"#, "disks[0].vhost_user"),
            (#"{"disks":[{"vhost_socket":"/s"}],\#(shared)}"#, "disks[0].vhost_socket"),
            (
                #"{"disks":[{"vhost_user":true,"vhost_socket":"/s","iommu":true}],\#(shared)}"#,
                "disks[0].iommu"
            ),
            (#"{"disks":[{"vhost_user":true,"vhost_socket":"/s"}]}"#, "disks[0]"),
            (
                #"{"disks":[{"vhost_user":true,"vhost_socket":"/s","rate_limiter_config":{}}],\#(shared)}"#,
                "disks[0].rate_limiter_config"
            ),
            (#"{"disks":[{"path":"/a","num_queues":2}]}"#, "disks[0].num_queues"),
            (#"{"disks":[{"path":"/a","num_queues":0}]}"#, "disks[0].num_queues"),
            (#"{"disks":[{"path":"/a","queue_size":100}]}"#, "disks[0].queue_size"),
            (#"{"disks":[{"path":"/a","queue_size":2}]}"#, "disks[0].queue_size"),
            (#"{"disks":[{"path":"/a","serial":"123456789012345678901"}]}"#, "disks[0].serial"),
            (#"{"disks":[{"path":"/a","serial":"ééééééééééé"}]}"#, "disks[0].serial"),
            (#"{"disks":[{"path":"/a","rate_limit_group":"g"}]}"#, "disks[0].rate_limit_group"),
            (
                #"{"rate_limit_groups":[{"id":"g","rate_limiter_config":{"ops":{"size":1,"refill_time":1}}}],"disks":[{"path":"/a","rate_limit_group":"g","rate_limiter_config":{}}]}"#,
                "disks[0].rate_limit_group"
            ),
            (#"{"disks":[{"path":"/a"},{"path":"/a"}]}"#, "disks[1].path"),
            (#"{"disks":[{"path":"/a","serial":"s"},{"path":"/b","serial":"s"}]}"#, "disks[1].serial"),
            (
                #"{"disks":[{"path":"/a","queue_affinity":[{"queue_index":1,"host_cpus":[0]}]}]}"#,
                "disks[0].queue_affinity[0].queue_index"
            ),
            // Networks
            (#"{"net":[{"num_queues":1}]}"#, "net[0].num_queues"),
            (#"{"net":[{"num_queues":3}]}"#, "net[0].num_queues"),
            (#"{"net":[{"num_queues":4}]}"#, "net[0].num_queues"),
            (#"{"net":[{"queue_size":100}]}"#, "net[0].queue_size"),
            (#"{"net":[{"mtu":1279}]}"#, "net[0].mtu"),
            (#"{"net":[{"ip":"10.0.0.1"}]}"#, "net[0]"),
            (#"{"net":[{"ip":"10.0.0","mask":"255.255.255.0"}]}"#, "net[0].ip"),
            (#"{"net":[{"mac":"52:54:00:12:34"}]}"#, "net[0].mac"),
            (#"{"net":[{"host_mac":"52:54:00:12:34:5g"}]}"#, "net[0].host_mac"),
            (#"{"net":[{"tap":"a123456789012345"}]}"#, "net[0].tap"),
            (#"{"net":[{"tap":""}]}"#, "net[0].tap"),
            (#"{"net":[{"offload_csum":false}]}"#, "net[0].offload_csum"),
            (#"{"net":[{"vhost_socket":"/s"}]}"#, "net[0].vhost_socket"),
            (#"{"net":[{"vhost_user":true}],\#(shared)}"#, "net[0].vhost_user"),
            (#"{"net":[{"vhost_user":true,"vhost_socket":"/s"}]}"#, "net[0]"),
            (#"{"net":[{"vhost_user":true,"vhost_socket":"/s","iommu":true}],\#(shared)}"#, "net[0].iommu"),
            (
                #"{"net":[{"vhost_user":true,"vhost_socket":"/s","rate_limiter_config":{}}],\#(shared)}"#,
                "net[0].rate_limiter_config"
            ),
            // Consoles
            (#"{"serial":{"file":null}}"#, "serial"),
            (#"{"serial":{"mode":"Socket"}}"#, "serial"),
            (#"{"console":{"mode":"File"}}"#, "console"),
            (#"{"console":{"mode":"Socket","socket":"/s"}}"#, "console.mode"),
            (#"{"debug_console":{"mode":"File"}}"#, "debug_console"),
            // Other devices
            (#"{"vsock":{"cid":2,"socket":"/s"}}"#, "vsock.cid"),
            (#"{"vsock":{"cid":4294967295,"socket":"/s"}}"#, "vsock.cid"),
            (#"{"balloon":{"size":536870912}}"#, "balloon.size"),
            (#"{"fs":[{"tag":"t","socket":"/s"}]}"#, "fs[0]"),
            (#"{"fs":[{"tag":"","socket":"/s"}],\#(shared)}"#, "fs[0].tag"),
            (#"{"fs":[{"tag":"t","socket":"/s","num_queues":2}],\#(shared)}"#, "fs[0].num_queues"),
            (#"{"fs":[{"tag":"t","socket":"/s","iommu":true}],\#(shared)}"#, "fs[0].iommu"),
            (
                #"{"generic_vhost_user":[{"socket":"/s","queue_sizes":[64],"device_type":1}]}"#,
                "generic_vhost_user[0]"
            ),
            (
                #"{"generic_vhost_user":[{"socket":"/s","queue_sizes":[],"device_type":1}],\#(shared)}"#,
                "generic_vhost_user[0].queue_sizes"
            ),
            (
                #"{"generic_vhost_user":[{"socket":"/s","queue_sizes":[3],"device_type":1}],\#(shared)}"#,
                "generic_vhost_user[0].queue_sizes[0]"
            ),
            (#"{"user_devices":[{"socket":"/s"}]}"#, "user_devices[0]"),
            (#"{"pmem":[{"file":"/p","size":1048576}]}"#, "pmem[0].size"),
            (#"{"vdpa":[{"path":"/d","num_queues":0}]}"#, "vdpa[0].num_queues"),
            (#"{"devices":[{"path":"/d"},{"path":"/d"}]}"#, "devices[1].path"),
            (#"{"devices":[{"path":"/d","x_exclude_mmap_bars":[6]}]}"#, "devices[0].x_exclude_mmap_bars[0]"),
            (
                #"{"devices":[{"path":"/d","x_nv_gpudirect_clique":1}],"platform":{"vfio_p2p_dma":false}}"#,
                "devices[0].x_nv_gpudirect_clique"
            ),
            (#"{"landlock_rules":[{"path":"/a","access":"x"}]}"#, "landlock_rules[0].access"),
            (#"{"landlock_rules":[{"path":"/a","access":""}]}"#, "landlock_rules[0].access"),
            // Platform
            (#"{"platform":{"uuid":"x"}}"#, "platform.uuid"),
            (#"{"platform":{"serial_number":"a","system_serial_number":"b"}}"#, "platform.serial_number"),
            (#"{"platform":{"iommu_address_width_bits":65}}"#, "platform.iommu_address_width_bits"),
            // NUMA
            (#"{"numa":[{"guest_numa_id":0}]}"#, "numa[0]"),
            (#"{"numa":[{"guest_numa_id":0,"cpus":[]}]}"#, "numa[0].cpus"),
            (#"{"numa":[{"guest_numa_id":0,"device_id":"d","cpus":[0]}]}"#, "numa[0].device_id"),
            (#"{"numa":[{"guest_numa_id":0,"cpus":[0],"memory_zones":["z"]}]}"#, "numa[0].memory_zones[0]"),
            (#"{"numa":[{"guest_numa_id":1,"cpus":[0],"pci_segments":[0]}]}"#, "numa[0].pci_segments"),
            (
                #"{"numa":[{"guest_numa_id":0,"cpus":[0]},{"guest_numa_id":0,"cpus":[1]}]}"#,
                "numa[1].guest_numa_id"
            ),
            // Ids
            (#"{"disks":[{"id":"a","path":"/a"},{"id":"a","path":"/b"}]}"#, "disks[1].id"),
            (#"{"net":[{"id":"cow"}]}"#, "net[0].id"),
            (#"{"vsock":{"id":"cow","cid":3,"socket":"/s"}}"#, "vsock.id"),
            (#"{"memory":{"size":0,"zones":[{"id":"cow","size":4096}]}}"#, "disks[1].id"),
            (#"{"disks":[{"id":"__a","path":"/a"}]}"#, "disks[0].id"),
            (
                #"{"rate_limit_groups":[{"id":"cow","rate_limiter_config":{"ops":{"size":1,"refill_time":1}}}]}"#,
                "disks[1].id"
            ),
            // PCI
            (#"{"platform":{"num_pci_segments":0}}"#, "platform.num_pci_segments"),
            (#"{"platform":{"num_pci_segments":97}}"#, "platform.num_pci_segments"),
            (#"{"disks":[{"path":"/a","pci_segment":1}]}"#, "disks[0].pci_segment"),
            (#"{"disks":[{"path":"/a","pci_device_id":0}]}"#, "disks[0].pci_device_id"),
            (#"{"disks":[{"path":"/a","pci_device_id":32}]}"#, "disks[0].pci_device_id"),
            (
                #"{"disks":[{"path":"/a","pci_device_id":5}],"net":[{"pci_device_id":5}]}"#,
                "net[0].pci_device_id"
            ),
            (#"{"platform":{"iommu_segments":[1]}}"#, "platform.iommu_segments[0]"),
            (
                #"{"platform":{"num_pci_segments":2,"iommu_segments":[1]},"disks":[{"path":"/a","pci_segment":1}]}"#,
                "disks[0].iommu"
            ),
            (#"{"pci_segments":[{"pci_segment":1}]}"#, "pci_segments[0].pci_segment"),
            (#"{"pci_segments":[{"mmio32_aperture_weight":0}]}"#, "pci_segments[0].mmio32_aperture_weight"),
            (#"{"pci_segments":[{"pci_segment":0},{"pci_segment":0}]}"#, "pci_segments[1].pci_segment"),
        ]
    )
    func broken(patch: String, path: String) throws {
        let violations = try SchemaTests.check(patch)
        #expect(violations.map(\.path) == [path], "\(violations)")
    }

    @Test(
        "what looks near a limit but is within it is right",
        arguments: [
            #"{"payload":{"kernel":null,"initramfs":null,"cmdline":null,"firmware":"/f"}}"#,
            #"{"cpus":{"boot_vcpus":2,"max_vcpus":4,"topology":{"threads_per_core":2,"cores_per_die":2,"dies_per_package":1,"packages":1}}}"#,
            #"{"memory":{"size":0,"zones":[{"id":"a","size":4096},{"id":"b","size":2097152,"hugepages":true}]}}"#,
            #"{"balloon":{"size":536870911}}"#,
            #"{"disks":[{"path":"/a","queue_size":4,"serial":"12345678901234567890"}]}"#,
            #"{"disks":[{"path":"/a","pci_segment":95,"pci_device_id":31}],"platform":{"num_pci_segments":96}}"#,
            #"{"disks":[{"path":"/a","pci_device_id":5,"pci_segment":1}],"net":[{"pci_device_id":5}],"platform":{"num_pci_segments":2}}"#,
            #"{"net":[{"ip":"fd00::1","mask":"ffff::","mac":"AA:bb:00:11:22:33","mtu":1280,"tap":"a12345678901234"}]}"#,
            #"{"net":[{"offload_csum":false,"offload_tso":false,"offload_ufo":false}]}"#,
            #"{"serial":{"mode":"Socket","file":null,"socket":"/s"},"console":{"mode":"Pty"}}"#,
            #"{"vsock":{"cid":4294967294,"socket":"/s"}}"#,
            #"{"memory":{"size":536870912,"hugepages":true},"fs":[{"tag":"t","socket":"/s"}]}"#,
            #"{"pmem":[{"file":"/p","size":2097152}]}"#,
            #"{"numa":[{"guest_numa_id":1,"device_id":"d"}]}"#,
        ]
    )
    func right(patch: String) throws {
        #expect(try SchemaTests.check(patch) == [])
    }

    @Test("a command line of 2,047 bytes fits, and one more does not")
    func commandLine() throws {
        func violations(_ length: Int) throws -> [String] {
            let patch = JSONValue.object([
                "payload": ["cmdline": .string(String(repeating: "a", count: length))]
            ])
            let config = try Examples.json(Examples.minimal).merging(patch: patch)
            return Rules.check(config, version: .oldestSupported).map(\.path)
        }
        #expect(try violations(2047) == [])
        #expect(try violations(2048) == ["payload.cmdline"])
    }

    /// Disks on segment 0, and what else a patch asks for; rng is always there, the console is off.
    static func violations(disks: Int, segment: UInt16 = 0, patch: String = "{}") throws -> [Violation] {
        var config = VmConfig(
            memory: VmConfig.Memory(size: 512 << 20),
            payload: .kernel(path: "/k", commandLine: nil, initramfs: nil),
            serial: VmConfig.Console(mode: .null)
        )
        config.platform.pciSegments = 2
        config.disks = (0..<disks).map { index in
            var disk = VmConfig.Disk(path: "/d\(index)")
            disk.pciSegment = segment
            return disk
        }
        return Rules.check(
            config.json.merging(patch: try Examples.json(patch)),
            version: HypervisorVersion(53)
        )
    }

    @Test(
        "a segment holds 31 devices, those counted that have no object in the config",
        arguments: [
            ("{}", 30), (#"{"watchdog":true}"#, 29), (#"{"pvpanic":true}"#, 29), (#"{"iommu":true}"#, 29),
            (#"{"console":{"mode":"Null"}}"#, 29), (#"{"console":null}"#, 29),
            (#"{"rng":{"src":"/dev/random"}}"#, 30),
            (#"{"net":[{}]}"#, 29), (#"{"vsock":{"cid":3,"socket":"/s"}}"#, 29),
            (#"{"balloon":{"size":0}}"#, 29),
            (#"{"memory":{"hotplug_method":"VirtioMem","hotplug_size":134217728}}"#, 29),
            (#"{"memory":{"hotplug_size":134217728}}"#, 30),
        ]
    )
    func capacity(patch: String, disks: Int) throws {
        #expect(try Self.violations(disks: disks, patch: patch) == [])
        let violations = try Self.violations(disks: disks + 1, patch: patch)
        #expect(violations.map(\.path) == ["platform.num_pci_segments"])
        #expect(violations.first?.message.contains("segment 0 has 32 devices") == true)
    }

    @Test("another segment holds 31 disks")
    func otherSegment() throws {
        #expect(try Self.violations(disks: 31, segment: 1) == [])
        #expect(try Self.violations(disks: 32, segment: 1).count == 1)
    }

    #if arch(x86_64)
        @Test("disks on segment 0 have addresses below 4 GiB, of which many segments leave few")
        func addresses() throws {
            let many = #"{"platform":{"num_pci_segments":96}}"#
            #expect(try Self.violations(disks: 13, patch: many) == [])
            let refused = try Self.violations(disks: 14, patch: many)
            #expect(refused.map(\.path) == ["platform.num_pci_segments"])
            #expect(refused.first?.message.contains("for 13 disks") == true)
            let weighted =
                #"{"platform":{"num_pci_segments":96},"pci_segments":[{"pci_segment":0,"mmio32_aperture_weight":95}]}"#
            #expect(try Self.violations(disks: 30, patch: weighted) == [])
        }
    #endif

    @Test("several mistakes are all reported, in the same order every time")
    func several() throws {
        let patch =
            #"{"cpus":{"boot_vcpus":0,"max_vcpus":0},"vsock":{"cid":0,"socket":"/s"},"net":[{"mtu":1}]}"#
        let first = try SchemaTests.check(patch)
        #expect(first.count > 3)
        #expect(try SchemaTests.check(patch) == first)
    }
}
