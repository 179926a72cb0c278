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
    private static let writableSerial = "cow"

    /// The bytes of `config.json`.
    ///
    /// - Throws: why there can be no config, in the request's terms.
    func render(_ request: VMRequest, _ image: VMConfiguration) throws(RequestFile.Problem) -> [UInt8] {
        try serialize(config(request, image))
    }

    private func config(_ request: VMRequest, _ image: VMConfiguration) throws(RequestFile.Problem)
        -> JSONValue
    {
        var config = try machine(request, image)
        // Devices that the patch adds take slots too, so it is applied before the disks are spread, and again over
        // the whole.
        let hasGuestDisk = try guest(request, image) != nil
        let others =
            SegmentPlan.devicesOnFirstSegment(of: try MergePatch.apply(request.patch, to: config.json))
            + (hasGuestDisk ? 2 : 1)
        let segments = try SegmentPlan(layerCount: image.storage.count, others: others)
        config.platform.pciSegments = UInt16(segments.segments)
        config.disks = disks(request, image, segments, hasGuestDisk: hasGuestDisk)

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
    private func machine(_ request: VMRequest, _ image: VMConfiguration) throws(RequestFile.Problem)
        -> VmConfig
    {
        let folder = settings.folder(of: request.name).path
        var memory = VmConfig.Memory(size: request.memory ?? settings.defaults.memory)
        memory.usesHugePages = request.hugepages
        var config = VmConfig(
            cpus: try processors(request),
            memory: memory,
            payload: try payload(request, image),
            serial: VmConfig.Console(mode: .file(folder.appending("serial.log").string)),
            console: VmConfig.Console(mode: console(request, folder))
        )
        config.nets = request.nets.enumerated().map { index, net in
            let mac = net.mac ?? MACAddress(stableFor: request.name, interface: index, identity: identity)
            return VmConfig.Net(id: "net\(index)", tap: net.tap, mac: mac.description)
        }
        config.vsock = request.vsockCID.map {
            VmConfig.Vsock(cid: $0, socket: folder.appending("vsock.sock").string)
        }
        return config
    }

    private func processors(_ request: VMRequest) throws(RequestFile.Problem) -> VmConfig.CPUs {
        let boot = request.cpus ?? settings.defaults.cpus
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

    private func payload(
        _ request: VMRequest,
        _ image: VMConfiguration
    ) throws(RequestFile.Problem) -> VmConfig.Payload {
        let line = try KernelCommandLine(
            request,
            layers: image.storage.map(\.serial),
            writable: Self.writableSerial
        ).text()
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

    private func console(_ request: VMRequest, _ folder: FilePath) -> VmConfig.Console.Mode {
        switch request.console {
        case nil, .off: .off
        case .null: .null
        case .pty: .pty
        case .tty: .tty
        case .file: .file(folder.appending("console.log").string)
        }
    }

    private func disks(
        _ request: VMRequest,
        _ image: VMConfiguration,
        _ segments: SegmentPlan,
        hasGuestDisk: Bool
    ) -> [VmConfig.Disk] {
        var disks = zip(image.storage, segments.layers).map { layer, segment in
            var disk = VmConfig.Disk(
                id: layer.serial,
                path: layer.path.string,
                isReadOnly: true,
                serial: layer.serial
            )
            disk.pciSegment = segment
            return disk
        }
        if hasGuestDisk {
            disks.append(
                VmConfig.Disk(
                    id: GuestConfig.serial,
                    path: settings.guestDisk(of: request.name).string,
                    isReadOnly: true,
                    serial: GuestConfig.serial
                )
            )
        }
        disks.append(
            VmConfig.Disk(
                id: Self.writableSerial,
                path: settings.folder(of: request.name).writableDisk.string,
                serial: Self.writableSerial
            )
        )
        return disks
    }

    /// Pretty where that fits what the hypervisor's API takes, else compact.
    private func serialize(_ config: JSONValue) throws(RequestFile.Problem) -> [UInt8] {
        let pretty = config.serialized(pretty: true)
        if pretty.count <= Limits.requestBody { return pretty }
        let compact = config.serialized(pretty: false)
        guard compact.count <= Limits.requestBody else {
            throw RequestFile.Problem(
                reason: .limitExceeded,
                message: "the config would have \(compact.count) bytes, and Cloud Hypervisor takes "
                    + "\(Limits.requestBody): use an image with fewer layers, or a shorter cloudHypervisor patch"
            )
        }
        return compact
    }
}
