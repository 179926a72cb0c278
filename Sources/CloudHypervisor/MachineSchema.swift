/// The machine's part of the schema: `vmm/src/vm_config.rs` and the OpenAPI description of Cloud Hypervisor 53, without
/// what only special builds have (`gdb`, `ivshmem`, `pvmemcontrol`, `fw_cfg_config`).
extension SchemaType {
    /// A `VmConfig`.
    static let vmConfig = SchemaType.object([
        .field("cpus", cpus),
        .field("memory", memory),
        .optional("payload", payload),
        .optional("rate_limit_groups", .list(rateLimitGroup)),
        .optional("disks", .list(disk)),
        .optional("net", .list(net)),
        .field("rng", rng),
        .optional("balloon", balloon),
        .optional("generic_vhost_user", .list(genericVhostUser), since: 52),
        .optional("fs", .list(fs)),
        .optional("pmem", .list(pmem)),
        .field("serial", serial),
        .field("console", console),
        .field("debug_console", debugConsole),
        .optional("devices", .list(device)),
        .optional("user_devices", .list(userDevice)),
        .optional("vdpa", .list(vdpa)),
        .optional("vsock", vsock),
        .field("pvpanic", .boolean),
        .field("iommu", .boolean),
        .optional("numa", .list(numa)),
        .field("watchdog", .boolean),
        .optional("rtc", .object(pciFields(since: 53)), since: 53),
        .optional("pci_segments", .list(pciSegment)),
        .optional("platform", platform),
        .optional("tpm", .object([.required("socket", .hostPath)])),
        .field("landlock_enable", .boolean),
        .optional(
            "landlock_rules",
            .list(.object([.required("path", .hostPath), .required("access", .string)]))
        ),
    ])

    private static let cpus = SchemaType.object([
        .required("boot_vcpus", .u32),
        .required("max_vcpus", .u32),
        .optional(
            "topology",
            .object([
                .required("threads_per_core", .u16),
                .required("cores_per_die", .u16),
                .required("dies_per_package", .u16),
                .required("packages", .u16),
            ])
        ),
        .field("kvm_hyperv", .boolean),
        .field("max_phys_bits", .u8),
        .field("nested", .boolean),
        .optional(
            "affinity",
            .list(.object([.required("vcpu", .u32), .required("host_cpus", .list(.u64))]))
        ),
        .field("features", .object([.field("amx", .boolean)])),
        .field("core_scheduling", .words("Vm", "Vcpu", "Off"), since: 52),
        .field("profile", .words("Host"), since: 53),
    ])

    /// What memory and its zones have in common.
    private static let memoryFields: [SchemaField] = [
        .field("shared", .boolean),
        .field("hugepages", .boolean),
        .optional("hugepage_size", .u64),
        .optional("hotplug_size", .u64),
        .optional("hotplugged_size", .u64),
        .field("prefault", .boolean),
        .field("reserve", .boolean, since: 53),
    ]

    private static let memory = SchemaType.object(
        memoryFields + [
            .required("size", .u64),
            .field("mergeable", .boolean),
            .field("hotplug_method", .words("Acpi", "VirtioMem")),
            .field("thp", .boolean),
            .optional("zones", .list(memoryZone)),
        ]
    )

    private static let memoryZone = SchemaType.object(
        memoryFields + [
            .required("id", .string),
            .required("size", .u64),
            .optional("file", .hostPath),
            .field("mergeable", .boolean, since: 52),
            .optional("host_numa_node", .u32),
        ]
    )

    private static let payload = SchemaType.object([
        .optional("firmware", .hostPath),
        .optional("kernel", .hostPath),
        .optional("cmdline", .string),
        .optional("initramfs", .hostPath),
        .optional("igvm", .hostPath),
        .optional("host_data", .string),
    ])

    private static let numa = SchemaType.object([
        .required("guest_numa_id", .u32),
        .optional("cpus", .list(.u32)),
        .optional("distances", .list(.object([.field("destination", .u32), .field("distance", .u8)]))),
        .optional("memory_zones", .list(.string)),
        .optional("pci_segments", .list(.u16)),
        .optional("device_id", .string),
    ])

    private static let pciSegment = SchemaType.object([
        .field("pci_segment", .u16),
        .field("mmio32_aperture_weight", .u32),
        .field("mmio64_aperture_weight", .u32),
    ])

    private static let platform = SchemaType.object([
        .field("num_pci_segments", .u16),
        .optional("iommu_segments", .list(.u16)),
        .field("iommu_address_width_bits", .u8),
        .optional("serial_number", .string),
        .optional("uuid", .string),
        .optional("system_serial_number", .string, since: 53),
        .optional("system_uuid", .string, since: 53),
        .optional("system_manufacturer", .string, since: 53),
        .optional("system_product_name", .string, since: 53),
        .optional("system_version", .string, since: 53),
        .optional("system_family", .string, since: 53),
        .optional("system_sku_number", .string, since: 53),
        .optional("chassis_asset_tag", .string, since: 53),
        .optional("oem_strings", .list(.string)),
        .field("tdx", .boolean),
        .field("sev_snp", .boolean),
        .field("iommufd", .boolean, since: 52),
        .field("vfio_p2p_dma", .boolean, since: 52),
    ])
}
