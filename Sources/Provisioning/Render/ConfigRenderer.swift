import CloudHypervisor
import Documents
import ImageBackend
import Snapshots

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
