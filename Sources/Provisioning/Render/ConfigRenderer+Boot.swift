import CloudHypervisor
import ImageBackend
import OCI
import SystemPackage

/// What a machine boots, and what its guest is told.
extension ConfigRenderer {
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

    func payload(
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
}
