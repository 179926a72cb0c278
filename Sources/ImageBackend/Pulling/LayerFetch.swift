import Archives
import Host
import OCI
import Registry
import Store
import SystemPackage

/// Fetches one layer and converts it while it arrives.
///
/// The bytes go through the partial file of their digest, whose right is taken first: of two processes that want the
/// layer, one fetches it and the other finds it in the store. A fetch that fails leaves what arrived for the next.
struct LayerFetch: Sendable {
    let backend: OCIBackend
    let client: RegistryClient
    let layer: RemoteLayer
    let reference: Reference

    var store: Store { backend.store }
    var configuration: OCIBackend.Config { backend.configuration }

    /// The layer's name in messages.
    var name: String { "layer \(layer.descriptor.digest) of \(reference)" }

    /// Bytes on disk that it takes, about: the download, and a blob that is often twice as large.
    var bytesNeeded: UInt64 {
        let (bytes, overflow) = layer.descriptor.size.multipliedReportingOverflow(by: 3)
        return overflow ? .max : bytes
    }

    /// Another process is looked after this often.
    private static let pollInterval = Duration.milliseconds(100)

    /// Runs it.
    ///
    /// - Parameter progress: hears how many bytes of the layer were read.
    func run(progress: @escaping @Sendable (UInt64) -> Void) async throws -> FetchedLayer {
        let workspace = try await store.openWorkspace("layer")
        while true {
            // Who had the right before may have brought the layer into the store.
            if try await isStored(workspace) {
                return FetchedLayer(conversion: nil, bytesFetched: 0, image: nil, workspace: workspace)
            }
            if let partial = try await store.lockPartial(layer.descriptor.digest) {
                if try await isStored(workspace) { continue }
                return try await fetch(into: partial, workspace, progress)
            }
            try await Task.sleep(for: Self.pollInterval)
        }
    }

    /// Whether the layer is in the store; it is leased then.
    private func isStored(_ workspace: Workspace) async throws -> Bool {
        if let native = layer.native(name: name, configuration.limits) {
            return try await store.blob(native.key, leasedBy: workspace) != nil
        }
        return try await store.anyBlob(of: layer.diffID, leasedBy: workspace) != nil
    }

    private func fetch(
        into partial: Partial,
        _ workspace: Workspace,
        _ progress: @escaping @Sendable (UInt64) -> Void
    ) async throws -> FetchedLayer {
        let image = workspace.path.appending("layer.erofs")
        while true {
            let download = try await begin(partial)
            do {
                let form =
                    if let native = layer.native(name: name, configuration.limits) {
                        try await take(native, download, to: image, progress: progress)
                    } else {
                        try await convert(download, to: image, progress: progress)
                    }
                let isStored = try await commit(form, workspace)
                if isStored { try partial.remove() }
                return FetchedLayer(
                    conversion: form.conversion,
                    bytesFetched: layer.descriptor.size - download.resumedBytes,
                    image: isStored ? nil : image,
                    workspace: workspace
                )
            } catch {
                let failure = ImageError(error, during: "pulling \(name)")
                guard failure.code != .cancelled else { throw failure }
                let isOfContent = !failure.isTransient || failure.code == .digestMismatch
                // Bytes that no layer can be made of are not worth keeping; all else is.
                if isOfContent { try partial.remove() }
                // If some of them are an earlier try's, which may not have ended well, those may be at fault.
                guard isOfContent, download.resumedBytes > 0 else { throw failure }
                try Directory.unlink(image)
            }
        }
    }
}

extension RemoteLayer {
    /// The layer as a native one; nil for a tar.
    func native(name: String, _ limits: LayerLimits) -> NativeLayer? {
        guard case .erofs = kind else { return nil }
        return NativeLayer(
            name: name,
            digest: diffID,
            hasOpaqueRoot: NativeAnnotation.hasOpaqueRoot(descriptor.annotations),
            limits: limits
        )
    }
}
