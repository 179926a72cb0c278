/// The kernel command line of a VM: consoles, the overlay in cocoon's published convention, network and hostname, and
/// what the request adds.
struct KernelCommandLine {
    /// Parameters that say which disks are which; a request cannot give them.
    static let ownParameters: Set<String> = ["boot", "cocoon.layers", "cocoon.cow"]

    /// Name servers that `ip=` can carry (Documentation/admin-guide/nfs/nfsroot.rst).
    private static let nameServerLimit = 2

    #if arch(arm64)
        private static let serialPort = "ttyAMA0"
    #else
        private static let serialPort = "ttyS0"
    #endif

    /// The words, in order.
    private var words: [String] = []

    /// Puts the line together.
    ///
    /// - Parameters:
    ///   - request: the VM's request.
    ///   - layers: serials of the layers' disks, bottom first.
    ///   - writable: serial of the writable disk.
    init(_ request: VMRequest, layers: [String], writable: String) {
        words.append("console=\(Self.serialPort)")
        // The last console named is the one that /dev/console means.
        if let mode = request.console, mode != .off { words.append("console=hvc0") }
        words += [
            "boot=cocoon-overlay", "cocoon.layers=\(layers.reversed().joined(separator: ","))",
            "cocoon.cow=\(writable)", "rw",
        ]
        if let address = Self.address(request) { words.append(address) }
        if let hostname = request.hostname {
            // The first is the kernel's own since Linux 6.0, the second wins over /etc/hostname where systemd runs.
            words += ["hostname=\(hostname)", "systemd.hostname=\(hostname)"]
        }
        if let arguments = request.kernelArguments, !arguments.isEmpty { words.append(arguments) }
    }

    /// `ip=ADDRESS::GATEWAY:MASK:HOSTNAME:DEVICE:off:DNS:DNS` (Documentation/admin-guide/nfs/nfsroot.rst).
    private static func address(_ request: VMRequest) -> String? {
        // The kernel knows one address: that of the interface with the default route, else the first.
        let nets = request.nets ?? []
        let chosen = nets.firstIndex { $0.gateway != nil } ?? nets.firstIndex { $0.ip != nil }
        guard let index = chosen, let ip = nets[index].ip else { return nil }
        let gateway = nets[index].gateway.map(\.description) ?? ""
        let fields = [
            ip.address.description, "", gateway, ip.mask.description, request.hostname ?? "", "eth\(index)",
            "off",
        ]
        let servers = (request.dns ?? []).prefix(nameServerLimit).map(\.description)
        return "ip=" + (fields + servers).joined(separator: ":")
    }

    /// The line. How long it may be is for the caller to look at.
    var text: String { words.joined(separator: " ") }
}
