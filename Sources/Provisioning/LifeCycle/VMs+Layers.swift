import ImageBackend
import OCI
import Store

/// How a VM comes to its layers.
extension VMs {
    /// The config on the layers that a VM is bound to, or else on those that its image has now, attached as the binding
    /// says, or else as the request says and as they fit.
    ///
    /// - Throws: ``RequestFile/Problem`` `layersMerging` while a merged disk is being made.
    func renderWithLayers(
        _ request: VMRequest,
        _ image: VMConfiguration,
        _ binding: VMRecord?
    ) async throws -> (config: RenderedConfig, merged: Digest?) {
        let renderer = try renderer()
        let rendered = try preview(request, image, binding, renderer)
        guard case .merged(let expected) = rendered.layers else { return (rendered, nil) }
        let disk = try await mergedDisk(of: image)
        guard disk.storage != expected else { return (rendered, disk.id) }
        var anew = try renderer.render(request, image, .merged(disk.storage))
        anew.choice = rendered.choice
        return (anew, disk.id)
    }

    /// The same without waiting for anything or making anything: a merged disk lies where it will lie.
    func preview(
        _ request: VMRequest,
        _ image: VMConfiguration,
        _ binding: VMRecord?,
        _ renderer: ConfigRenderer
    ) throws(RequestFile.Problem) -> RenderedConfig {
        let merged = StorageConfig(
            path: store.layout.mergedDisk(MergedRecord.id(of: image.keys)),
            isReadOnly: true,
            serial: "merged"
        )
        guard let binding else { return try renderer.renderChoosing(request, image, merged: merged) }
        // What a disk was begun on, it stays on.
        let layers: LayerDisks = binding.merged == nil ? .each(image.storage) : .merged(merged)
        var rendered = try renderer.render(request, image, layers)
        rendered.choice = reasonOfBinding(request.name)
        let wanted = request.layers ?? settings.defaults.layers ?? .auto
        if wanted != .auto, (wanted == .merged) != (binding.merged != nil) {
            rendered.choice +=
                Self.nextReset
                + "\(wanted.rawValue) holds from the next `slipway vm reset \(request.name)` on"
        }
        return rendered
    }

    /// Sets what a request asks for apart from why the layers are attached as they are.
    private static let nextReset = "; layers: "

    /// Why the layers were attached as they are when the VM was bound, as its status says.
    private func reasonOfBinding(_ name: String) -> String {
        guard let reason = statuses[name]?.layers?.reason else { return "its disk was made on them so" }
        return reason.firstRange(of: Self.nextReset).map { String(reason[..<$0.lowerBound]) } ?? reason
    }

    /// The merged disk of an image. Where there is none, it is made beside the passes, and the VM waits.
    private func mergedDisk(of image: VMConfiguration) async throws -> MergedDisk {
        if let disk = try await images.presentMergedDisk(keys: image.keys) { return disk }
        let id = MergedRecord.id(of: image.keys)
        // Said once; the next pass tries again.
        if let failure = mergeFailures.removeValue(forKey: id) { throw failure }
        if merges[id] == nil {
            merges[id] = Task { [images, onChange] in
                do {
                    _ = try await images.mergedDisk(of: image.image, keys: image.keys)
                    noteMerged(id, nil)
                } catch { noteMerged(id, error) }
                onChange()
            }
        }
        throw RequestFile.Problem(
            reason: .layersMerging,
            message: "the \(image.keys.count) layers of its image are being merged into one disk"
        )
    }

    private func noteMerged(_ id: Digest, _ failure: (any Error)?) {
        merges[id] = nil
        mergeFailures[id] = failure
    }

    /// Returns once no layers are being merged any more.
    func waitForMerges() async {
        while let (_, task) = merges.first { await task.value }
    }

    /// Stops what runs between passes.
    public func stop() async {
        for task in merges.values { task.cancel() }
        await waitForMerges()
    }

    func renderer() throws -> ConfigRenderer {
        ConfigRenderer(settings: settings, identity: try identity())
    }
}
