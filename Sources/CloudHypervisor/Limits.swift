/// Limits that Cloud Hypervisor, the devices it emulates or Linux set.
public enum Limits {
    /// Bytes of an HTTP request body that the API takes, up to release 53 (`vmm/src/api/http`).
    public static let requestBody = 51_200
    /// Bytes of a kernel command line with its final NUL: `COMMAND_LINE_SIZE` of Linux on x86 and arm64.
    public static let kernelCommandLine = 2_048
    /// Bytes of a disk's serial: `VIRTIO_BLK_ID_BYTES` (virtio 1.2, 5.2.6).
    public static let diskSerial = 20
    /// Bytes of a virtio-fs tag (virtio 1.2, 5.11.4).
    public static let fileSystemTag = 36
    /// Bytes of a network interface's name: `IFNAMSIZ` without its NUL.
    public static let interfaceName = 15
    /// Devices to plan for on a PCI segment: 32 slots less the bridge, which up to release 53 every segment has.
    public static let devicesPerSegment = 31
    /// PCI segments of a VM (`vmm/src/config.rs`, `MAX_NUM_PCI_SEGMENTS`).
    public static let pciSegments = 96
    /// Bytes of addresses below 4 GiB for devices on x86, which all segments share by their weights
    /// (`MMIO32` in `vmm/src/device_manager.rs`).
    public static let addresses32 = 640 << 20
    /// Bytes of them that a disk on segment 0 takes.
    public static let diskAddresses32 = 512 << 10
    /// Most vCPUs of a VM: what KVM has on x86, 255 elsewhere.
    public static let vCPUs: UInt64 = {
        #if arch(x86_64)
            8_192
        #else
            255
        #endif
    }()
    /// The alignment of a virtio-mem region and the step of hotplugged memory, in bytes.
    public static let hotplugAlignment: UInt64 = 128 << 20
    /// The alignment of a pmem device's size, in bytes.
    public static let pmemAlignment: UInt64 = 2 << 20
}
