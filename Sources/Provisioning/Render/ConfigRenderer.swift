import CloudHypervisor
import Documents
import ImageBackend
import OCI
import Snapshots
import SystemPackage

/// Makes a VM's config from its request, its image and the settings. Reads nothing but the links that a merge patch's
/// paths go through; the same input gives the same bytes.
struct ConfigRenderer {
    /// The settings.
    let settings: VMSettings
    /// What tells this folder of VMs from all others; a part of addresses made up for interfaces.
    let identity: String

    /// The serial of the writable disk.
    static let writableSerial = "cow"
    /// The serial of cloud-init's seed disk, and its label.
    static let seedSerial = "cidata"

    /// The bytes of `config.json`, with a disk for each layer.
    ///
    /// - Throws: why there can be no config, in the request's terms.
    func render(_ request: VMRequest, _ image: VMConfiguration) throws(RequestFile.Problem) -> [UInt8] {
        try render(request, image, .each(image.storage)).bytes
    }

    /// The config, as bytes and with what is said of it.
    ///
    /// - Throws: why there can be no config, in the request's terms.
    func render(
        _ request: VMRequest,
        _ image: VMConfiguration,
        _ layers: LayerDisks
    ) throws(RequestFile.Problem) -> RenderedConfig {
        var request = request
        request.fill(from: settings.defaults)
        var rendered = RenderedConfig(layers: layers)
        let config = try config(request, image, layers, &rendered)
        try serialize(config, &rendered)
        return rendered
    }

    /// Where the config would lead with the layers that the request and the image allow.
    ///
    /// - Parameter merged: the disk that holds all layers.
    /// - Returns: the config, and why the layers come as they do.
    func renderChoosing(
        _ request: VMRequest,
        _ image: VMConfiguration,
        merged: StorageConfig
    ) throws(RequestFile.Problem) -> RenderedConfig {
        var filled = request
        filled.fill(from: settings.defaults)
        switch filled.layers ?? .auto {
        case .disks:
            var rendered = try render(request, image, .each(image.storage))
            rendered.choice = "the request asks for disks"
            return rendered
        case .merged:
            var rendered = try render(request, image, .merged(merged))
            rendered.choice = "the request asks for one merged disk"
            return rendered
        case .auto:
            do throws(RequestFile.Problem) {
                var rendered = try render(request, image, .each(image.storage))
                rendered.choice = "each layer has a disk, since they fit"
                return rendered
            } catch {
                guard error.reason == .limitExceeded, image.storage.count > 1 else { throw error }
                // Where merging does not help either, what stands in its way is what has to be said.
                var rendered = try render(request, image, .merged(merged))
                rendered.choice = "the layers are merged, since as disks they would not fit: \(error.message)"
                return rendered
            }
        }
    }

    private func config(
        _ request: VMRequest,
        _ image: VMConfiguration,
        _ layers: LayerDisks,
        _ rendered: inout RenderedConfig
    ) throws(RequestFile.Problem) -> JSONValue {
        var config = try machine(request, image, layers, &rendered)
        rendered.guest = try guest(request, image)
        let own = ownDisks(
            request,
            bootCPUs: Int(config.cpus.boot),
            hasGuestDisk: rendered.guest != nil
        )
        // Devices that the patch adds take slots too, so it is applied before the disks are spread, and again over
        // the whole.
        let patched = try MergePatch.apply(request.patch, to: config.json)
        let others = SegmentPlan.devicesOnFirstSegment(of: patched) + own.count
        let segments = try SegmentPlan(layerCount: layers.storage.count, others: others)
        config.platform.pciSegments = UInt16(segments.segments)
        config.disks = layerDisks(layers, segments) + own
        rendered.segments = segments.segments
        rendered.limits.append(
            LimitUse(
                subject: "devices on PCI segment 0",
                used: others + segments.layers.count { $0 == 0 },
                limit: Limits.devicesPerSegment
            )
        )

        let merged = try MergePatch.apply(request.patch, to: config.json)
        if let violation = Rules.check(merged, version: settings.hypervisorVersion).first {
            throw RequestFile.Problem(
                reason: .configInvalid,
                message: (request.patch == nil ? "the config would break a rule: " : "cloudHypervisor: ")
                    + violation.description
            )
        }
        try HostPathRule(folder: settings.folder(of: request.name).path, allowed: settings.allowPaths).check(
            merged
        )
        return merged
    }

    /// What the disk `slipway` tells the guest; nil where there is no such disk: an image with its own kernel and
    /// initramfs needs none unless the request says something of the guest.
    func guest(_ request: VMRequest, _ image: VMConfiguration) throws(RequestFile.Problem) -> GuestConfig? {
        let execution: ImageConfig.Execution
        do { execution = try ImageConfig.Execution(imageConfig: Array(image.imageConfig.utf8)) } catch {
            throw RequestFile.Problem(
                reason: .bootInvalid,
                message: "what \(request.image) runs cannot be told: \(error)"
            )
        }
        let guest = try GuestConfig(request, execution, identity: identity)
        let hasOwnKernel = request.kernelProfile == nil && image.boot != nil
        return hasOwnKernel && !guest.isOfTheRequest ? nil : guest
    }

    /// Everything but the disks.
    private func machine(
        _ request: VMRequest,
        _ image: VMConfiguration,
        _ layers: LayerDisks,
        _ rendered: inout RenderedConfig
    ) throws(RequestFile.Problem) -> VmConfig {
        let folder = settings.folder(of: request.name)
        let cpus = try processors(request)
        var config = VmConfig(
            cpus: cpus,
            memory: memory(request),
            payload: try payload(request, image, layers, &rendered),
            serial: VmConfig.Console(mode: serial(request, folder)),
            console: VmConfig.Console(mode: console(request, folder))
        )
        for (index, net) in (request.nets ?? []).enumerated() {
            config.nets.append(try interface(net, index, of: request, bootCPUs: Int(cpus.boot)))
        }
        config.vsock = request.vsockCID.map { VmConfig.Vsock(cid: $0, socket: folder.vsockSocket.string) }
        config.watchdog = request.watchdog ?? false
        return config
    }

    private func processors(_ request: VMRequest) throws(RequestFile.Problem) -> VmConfig.CPUs {
        let boot = request.cpus ?? VMSettings.Fallback.cpus
        let most = request.maxCpus ?? boot
        guard most >= boot else {
            throw RequestFile.Problem(
                reason: .requestInvalid,
                message:
                    "maxCpus is \(most), less than the \(boot) cpus that vms.defaults gives; write 'cpus' too"
            )
        }
        return VmConfig.CPUs(boot: UInt32(boot), max: UInt32(most))
    }

    private func memory(_ request: VMRequest) -> VmConfig.Memory {
        var memory = VmConfig.Memory(size: request.memory.size ?? VMSettings.Fallback.memory)
        memory.usesHugePages = request.memory.usesHugePages ?? false
        memory.isShared = request.memory.isShared ?? false
        memory.hotplugSize = request.memory.hotplugSize
        return memory
    }

    private func interface(
        _ net: VMRequest.Net,
        _ index: Int,
        of request: VMRequest,
        bootCPUs: Int
    ) throws(RequestFile.Problem) -> VmConfig.Net {
        var device = VmConfig.Net(
            id: "net\(index)",
            tap: net.tap,
            mac: macAddress(of: net, index, request).description
        )
        if let pairs = net.queuePairs {
            guard pairs <= bootCPUs else {
                throw RequestFile.Problem(
                    reason: .requestInvalid,
                    message:
                        "nets[\(index)].queues is \(pairs), and a VM that boots with \(bootCPUs) cpus has at most "
                        + "as many pairs of queues"
                )
            }
            device.queues = UInt16(2 * pairs)
        } else if net.tap == nil {
            // A tap that the host made takes several queues only if it was made for that.
            device.queues = 2 * Queues.count(bootCPUs: bootCPUs)
        }
        return device
    }

    /// An interface's address, made up where the request gives none.
    func macAddress(of net: VMRequest.Net, _ index: Int, _ request: VMRequest) -> MACAddress {
        net.mac ?? MACAddress(stableFor: request.name, interface: index, identity: identity)
    }

    private func payload(
        _ request: VMRequest,
        _ image: VMConfiguration,
        _ layers: LayerDisks,
        _ rendered: inout RenderedConfig
    ) throws(RequestFile.Problem) -> VmConfig.Payload {
        let line = KernelCommandLine(
            request,
            layers: layers.storage.map(\.serial),
            writable: Self.writableSerial
        ).text
        let lineUse = LimitUse(
            subject: "bytes of the kernel command line",
            used: line.utf8.count,
            limit: Limits.kernelCommandLine - 1
        )
        let optionUse = LimitUse(
            subject: "bytes of the guest's overlay options",
            used: OverlayOptions.length(layers.storage),
            limit: OverlayOptions.limit
        )
        rendered.limits += [lineUse, optionUse]
        try lineUse.check(remedy: "shorten kernel.args, or use an image with fewer layers or layers: merged")
        try optionUse.check(remedy: "use an image with fewer layers, or layers: merged")
        let boot = try bootFiles(request, image)
        return .kernel(path: boot.kernelPath.string, commandLine: line, initramfs: boot.initrdPath.string)
    }

    /// The kernel and initramfs: the profile's that the request names, else the image's, else the default profile's.
    func bootFiles(
        _ request: VMRequest,
        _ image: VMConfiguration
    ) throws(RequestFile.Problem) -> BootConfig {
        if request.kernelProfile == nil, let boot = image.boot { return boot }
        let name = request.kernelProfile ?? "default"
        if let profile = settings.bootProfiles[name] {
            return BootConfig(kernelPath: profile.kernel, initrdPath: profile.initramfs)
        }
        guard request.kernelProfile != nil else {
            throw RequestFile.Problem(
                reason: .kernelNotFound,
                message: "the image has no kernel with an initramfs in /boot, and the settings have no "
                    + "boot.profiles.default"
            )
        }
        let known = settings.bootProfiles.keys.sorted().joined(separator: ", ")
        throw RequestFile.Problem(
            reason: .bootProfileUnknown,
            message: "kernel.profile: the settings have no boot profile '\(name)'"
                + (known.isEmpty ? "" : ", only \(known)")
        )
    }

    private func serial(_ request: VMRequest, _ folder: VMFolder) -> VmConfig.Console.Mode {
        switch request.serial ?? .file {
        case .off: .off
        case .null: .null
        case .pty: .pty
        case .tty: .tty
        case .file: .file(folder.serialLog.string)
        case .socket: .socket(folder.serialSocket.string)
        }
    }

    private func console(_ request: VMRequest, _ folder: VMFolder) -> VmConfig.Console.Mode {
        switch request.console ?? .off {
        case .off: .off
        case .null: .null
        case .pty: .pty
        case .tty: .tty
        case .file: .file(folder.consoleLog.string)
        }
    }

    private func layerDisks(_ layers: LayerDisks, _ segments: SegmentPlan) -> [VmConfig.Disk] {
        zip(layers.storage, segments.layers).map { layer, segment in
            var disk = VmConfig.Disk(
                id: layer.serial,
                path: layer.path.string,
                isReadOnly: true,
                serial: layer.serial
            )
            disk.pciSegment = segment
            return disk
        }
    }

    /// The disks that are the VM's own: the writable one, those for data, what cloud-init and the guest are told.
    private func ownDisks(
        _ request: VMRequest,
        bootCPUs: Int,
        hasGuestDisk: Bool
    ) -> [VmConfig.Disk] {
        let folder = settings.folder(of: request.name)
        func readOnly(_ serial: String, _ path: FilePath) -> VmConfig.Disk {
            VmConfig.Disk(id: serial, path: path.string, isReadOnly: true, serial: serial)
        }
        func writable(_ serial: String, id: String, _ path: FilePath, isDirect: Bool) -> VmConfig.Disk {
            var disk = VmConfig.Disk(id: id, path: path.string, serial: serial)
            disk.isDirect = isDirect
            disk.queues = Queues.count(bootCPUs: bootCPUs)
            return disk
        }
        let name = Self.writableSerial
        var disks = [writable(name, id: name, folder.writableDisk, isDirect: request.isDiskDirect ?? true)]
        for disk in request.dataDisks ?? [] {
            // An id is one among all devices of the VM, and a data disk may be called `net0`.
            let path = folder.dataDisk(disk.name)
            disks.append(writable(disk.name, id: "disk-\(disk.name)", path, isDirect: disk.isDirect))
        }
        if request.userData != nil { disks.append(readOnly(Self.seedSerial, folder.seed)) }
        guard hasGuestDisk else { return disks }
        return [readOnly(GuestConfig.serial, settings.guestDisk(of: request.name))] + disks
    }

    /// Pretty where that fits what the hypervisor's API takes, else compact.
    private func serialize(
        _ config: JSONValue,
        _ rendered: inout RenderedConfig
    ) throws(RequestFile.Problem) {
        rendered.bytes = config.serialized(pretty: true)
        let isPretty = rendered.bytes.count <= Limits.requestBody
        if !isPretty { rendered.bytes = config.serialized(pretty: false) }
        let use = LimitUse(
            subject: isPretty ? "bytes of the config" : "bytes of the config, written compact",
            used: rendered.bytes.count,
            limit: Limits.requestBody
        )
        rendered.limits.append(use)
        try use.check(
            remedy: "use an image with fewer layers or layers: merged, or a shorter cloudHypervisor patch"
        )
    }
}

/// A config with what there is to say of it.
struct RenderedConfig {
    /// The content of `config.json`.
    var bytes: [UInt8] = []
    /// How the layers are attached.
    var layers: LayerDisks
    /// Why they are attached so.
    var choice = ""
    /// What the disk `slipway` tells the guest; nil for no such disk.
    var guest: GuestConfig?
    /// How many PCI segments the VM has.
    var segments = 1
    /// How near it is to what limits it.
    var limits: [LimitUse] = []

    init(layers: LayerDisks) { self.layers = layers }
}
