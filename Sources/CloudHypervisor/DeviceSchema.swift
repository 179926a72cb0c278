/// The devices' part of the schema; sources as for the machine's.
extension SchemaType {
    /// What every PCI device has. `since` is the release that gave the device all of them.
    static func pciFields(since release: Int? = nil) -> [SchemaField] {
        [
            .optional("id", .string, since: release),
            .field("iommu", .boolean, since: release),
            .field("pci_segment", .u16, since: release),
            .optional("pci_device_id", .u8, since: release ?? 52),
        ]
    }

    private static let tokenBucket = SchemaType.object([
        .required("size", .u64),
        .optional("one_time_burst", .u64),
        .required("refill_time", .u64),
    ])

    private static let rateLimiter = SchemaType.object([
        .optional("bandwidth", tokenBucket),
        .optional("ops", tokenBucket),
    ])

    static let rateLimitGroup = SchemaType.object([
        .required("id", .string),
        .required("rate_limiter_config", rateLimiter),
    ])

    static let disk = SchemaType.object(
        pciFields() + [
            .optional("path", .hostPath),
            .field("readonly", .boolean),
            .field("direct", .boolean),
            .field("num_queues", .u16),
            .field("queue_size", .u16),
            .field("vhost_user", .boolean),
            .optional("vhost_socket", .hostPath),
            .optional("rate_limiter_config", rateLimiter),
            .optional("rate_limit_group", .string),
            .optional("serial", .string),
            .optional(
                "queue_affinity",
                .list(.object([.required("queue_index", .u16), .required("host_cpus", .list(.u64))]))
            ),
            .field("backing_files", .boolean),
            .field("sparse", .boolean),
            .field("image_type", imageType),
            .field("lock_granularity", .words("ByteRange", "Full"), since: 52),
            .field("disable_io_uring", .boolean),
            .field("disable_aio", .boolean),
        ]
    )

    private static let imageType = SchemaType.word(
        ["FixedVhd", "Qcow2", "Raw", "Vhdx", "Unknown"].map { ($0, .oldestSupported) }
            + [("FlatVmdk", HypervisorVersion(54))]
    )

    /// `fds` is left out: descriptors cannot stand in a file, and the API drops them.
    static let net = SchemaType.object(
        pciFields() + [
            .optional("tap", .string),
            .optional("ip", .string),
            .optional("mask", .string),
            .field("mac", .string),
            .optional("host_mac", .string),
            .optional("mtu", .u16),
            .field("num_queues", .u16),
            .field("queue_size", .u16),
            .field("vhost_user", .boolean),
            .optional("vhost_socket", .hostPath),
            .field("vhost_mode", .words("Client", "Server")),
            .optional("rate_limiter_config", rateLimiter),
            .field("offload_tso", .boolean),
            .field("offload_ufo", .boolean),
            .field("offload_csum", .boolean),
        ]
    )

    static let rng = SchemaType.object([
        .required("src", .hostPath),
        .field("iommu", .boolean),
        .optional("id", .string, since: 52),
        .field("pci_segment", .u16, since: 52),
        .optional("pci_device_id", .u8, since: 52),
    ])

    static let balloon = SchemaType.object(
        pciFields(since: 53) + [
            .required("size", .u64),
            .field("deflate_on_oom", .boolean),
            .field("free_page_reporting", .boolean),
        ]
    )

    static let genericVhostUser = SchemaType.object(
        pciFields(since: 52) + [
            .required("socket", .hostPath),
            .required("queue_sizes", .list(.u16)),
            .required("device_type", .u32),
        ]
    )

    static let fs = SchemaType.object([
        .optional("id", .string),
        .field("iommu", .boolean, since: 52),
        .field("pci_segment", .u16),
        .optional("pci_device_id", .u8, since: 52),
        .required("tag", .string),
        .required("socket", .hostPath),
        .field("num_queues", .u16),
        .field("queue_size", .u16),
    ])

    static let pmem = SchemaType.object(
        pciFields() + [
            .required("file", .hostPath),
            .optional("size", .u64),
            .field("discard_writes", .boolean),
        ]
    )

    private static let consoleMode = SchemaType.words("Off", "Pty", "Tty", "File", "Socket", "Null")

    static let serial = SchemaType.object([
        .required("mode", consoleMode),
        .optional("file", .hostPath),
        .optional("socket", .hostPath),
    ])

    static let console = SchemaType.object([
        .required("mode", consoleMode),
        .optional("file", .hostPath),
        .optional("socket", .hostPath),
        .field("iommu", .boolean),
        .optional("id", .string, since: 52),
        .field("pci_segment", .u16, since: 52),
        .optional("pci_device_id", .u8, since: 52),
    ])

    static let debugConsole = SchemaType.object([
        .required("mode", consoleMode),
        .optional("file", .hostPath),
        .optional("iobase", .u16),
    ])

    static let device = SchemaType.object(
        pciFields() + [
            .required("path", .hostPath),
            .optional("x_nv_gpudirect_clique", .u8),
            .field("x_exclude_mmap_bars", .list(.u64), since: 52),
        ]
    )

    static let userDevice = SchemaType.object([
        .optional("id", .string),
        .field("iommu", .boolean, since: 52),
        .field("pci_segment", .u16),
        .optional("pci_device_id", .u8, since: 52),
        .required("socket", .hostPath),
    ])

    static let vdpa = SchemaType.object(
        pciFields() + [
            .required("path", .hostPath),
            .field("num_queues", .u16),
        ]
    )

    static let vsock = SchemaType.object(
        pciFields() + [
            .required("cid", .u32),
            .required("socket", .hostPath),
        ]
    )
}
