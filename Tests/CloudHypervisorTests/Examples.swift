import Documents
import Foundation

/// Configs that boot, written as people write them.
enum Examples {
    static func json(_ text: String) throws -> JSONValue {
        try JSONDecoder().decode(JSONValue.self, from: Data(text.utf8))
    }

    static let minimal = """
        {"payload":{"kernel":"/k/vmlinux","initramfs":"/k/initrd","cmdline":"console=ttyS0"},
         "disks":[{"id":"layer000","path":"/l/000.erofs","readonly":true,"image_type":"Raw","serial":"L000"},
                  {"id":"cow","path":"/v/cow.raw","image_type":"Raw","serial":"COW"}],
         "serial":{"mode":"File","file":"/v/serial.log"},"console":{"mode":"Off"}}
        """

    /// For release 53: nearly every field.
    static let maximal = """
        {"cpus":{"boot_vcpus":2,"max_vcpus":4,"topology":{"threads_per_core":1,"cores_per_die":4,"dies_per_package":1,
          "packages":1},"kvm_hyperv":false,"max_phys_bits":46,"affinity":[{"vcpu":0,"host_cpus":[2,3]}],
          "features":{"amx":false},"nested":false,"core_scheduling":"Vm","profile":"Host"},
         "memory":{"size":2147483648,"mergeable":false,"hotplug_method":"VirtioMem","hotplug_size":2147483648,
          "hotplugged_size":134217728,"shared":true,"hugepages":false,"prefault":false,"reserve":false,"thp":true},
         "payload":{"kernel":"/k/vmlinux","initramfs":"/k/initrd.img","cmdline":"console=ttyS0 panic=-1"},
         "rate_limit_groups":[{"id":"rlg0","rate_limiter_config":{"bandwidth":{"size":104857600,"one_time_burst":0,
          "refill_time":1000}}}],
         "disks":[{"id":"cow","path":"/v/cow.raw","readonly":false,"direct":false,"num_queues":2,"queue_size":256,
           "image_type":"Raw","sparse":true,"backing_files":false,"lock_granularity":"ByteRange","serial":"COW",
           "pci_segment":0,"rate_limit_group":"rlg0","queue_affinity":[{"queue_index":0,"host_cpus":[2]},
           {"queue_index":1,"host_cpus":[3]}]},
          {"id":"data0","path":"/v/data0.raw","image_type":"Raw","serial":"DATA0","pci_segment":0,
           "rate_limiter_config":{"ops":{"size":1000,"refill_time":1000}}},
          {"id":"layer000","path":"/l/000.erofs","readonly":true,"image_type":"Raw","num_queues":1,"serial":"L000",
           "pci_segment":1,"pci_device_id":1},
          {"id":"layer031","path":"/l/031.erofs","readonly":true,"image_type":"Raw","num_queues":1,"serial":"L031",
           "pci_segment":2,"pci_device_id":1}],
         "net":[{"id":"net0","tap":"tap0","mac":"2e:00:00:00:00:01","mtu":1500,"num_queues":4,"queue_size":256,
          "offload_tso":true,"offload_ufo":true,"offload_csum":true,"pci_segment":0}],
         "rng":{"id":"rng0","src":"/dev/urandom"},
         "balloon":{"id":"balloon0","size":0,"deflate_on_oom":true,"free_page_reporting":true},
         "fs":[{"id":"fs0","tag":"shared","socket":"/v/fs.sock","num_queues":1,"queue_size":1024}],
         "pmem":[{"id":"pmem0","file":"/l/base.img","discard_writes":true,"pci_segment":1}],
         "serial":{"mode":"File","file":"/v/serial.log"},
         "console":{"mode":"Null","id":"console0"},
         "debug_console":{"mode":"Off","iobase":233},
         "vsock":{"id":"vsock0","cid":3,"socket":"/v/vsock.sock"},
         "pvpanic":true,"iommu":false,"watchdog":true,
         "pci_segments":[{"pci_segment":0,"mmio32_aperture_weight":1,"mmio64_aperture_weight":1}],
         "platform":{"num_pci_segments":3,"system_serial_number":"vm-1",
          "system_uuid":"7f3c1f0e-4b52-4a5b-9c55-0d5a2d5b9a10","oem_strings":["io.agent:vm-1"],
          "system_manufacturer":"agent","system_product_name":"microvm","system_version":"1","system_family":"f",
          "system_sku_number":"s","chassis_asset_tag":"a"},
         "landlock_enable":true,"landlock_rules":[{"path":"/v","access":"rw"}]}
        """
}
