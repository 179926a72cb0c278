import Logging
import OCI
import Registry
import Store
import SystemPackage

/// A layer of a pull, in the store in the form that its image needs.
struct PulledLayer: Sendable {
    var finished: FinishedLayer
    /// What converting it came to; nil where that was not done by this pull.
    var conversion: LayerConverter.Result?
    /// Bytes that came over the network for it.
    var bytesFetched: UInt64 = 0
}

/// The layers of one image on their way from the registry into the store.
final class ImagePull: Sendable {
    private let backend: OCIBackend
    private let client: RegistryClient
    private let image: RemoteImage
    private let workspace: Workspace
    private let progress: PullProgress

    init(
        backend: OCIBackend,
        client: RegistryClient,
        image: RemoteImage,
        workspace: Workspace,
        progress: PullProgress
    ) {
        self.backend = backend
        self.client = client
        self.image = image
        self.workspace = workspace
        self.progress = progress
    }

    /// Brings all layers into the store, bottom first. Those that it has are not asked for.
    func layers() async throws -> [PulledLayer] {
        let finisher = LayerFinisher(backend, workspace: workspace)
        return try await withThrowingTaskGroup(of: (Int, PulledLayer).self) { group in
            for (position, layer) in image.layers.enumerated() {
                group.addTask { (position, try await self.layer(layer, at: position, finisher)) }
            }
            var layers: [(Int, PulledLayer)] = []
            for try await layer in group { layers.append(layer) }
            return layers.sorted { $0.0 < $1.0 }.map(\.1)
        }
    }

    private func layer(
        _ layer: RemoteLayer,
        at position: Int,
        _ finisher: LayerFinisher
    ) async throws -> PulledLayer {
        var source: FetchedLayer?
        let finished = try await finisher.layer(
            at: position,
            named: "layer \(layer.descriptor.digest) of \(image.reference)"
        ) {
            while true {
                if let known = try await known(layer, finisher) {
                    progress.finish(layer: position)
                    return .stored(known)
                }
                let fetched = try await fetched(layer, at: position)
                if source == nil { source = fetched }
                // What is in the store by now is found there. Of an image in a file, one can make a blob: whoever comes
                // second looks again.
                if let image = fetched.takeImage(), let result = fetched.conversion {
                    source = fetched
                    progress.finish(layer: position)
                    return .converted(result, image: image)
                }
            }
        }
        return PulledLayer(
            finished: finished,
            conversion: source?.conversion,
            bytesFetched: source?.bytesFetched ?? 0
        )
    }

    private func known(_ layer: RemoteLayer, _ finisher: LayerFinisher) async throws -> BlobRecord? {
        if let native = layer.native(name: "", backend.configuration.limits) {
            return try await finisher.known(native)
        }
        return try await finisher.known(layer.diffID)
    }

    /// Fetches a layer, unless another pull of this process is at it: then its work is waited for.
    private func fetched(_ layer: RemoteLayer, at position: Int) async throws -> FetchedLayer {
        let fetch = LayerFetch(
            backend: backend,
            client: client,
            layer: layer,
            reference: image.reference
        )
        let (backend, progress, pull) = (backend, progress, ObjectIdentifier(self))
        return try await backend.fetches.value(for: layer.descriptor.digest) {
            try await backend.layerSlots.run(pull: pull, size: layer.descriptor.size) {
                let claim = try await backend.space.claim(fetch.bytesNeeded, for: "pulling \(fetch.name)")
                do {
                    let result = try await fetch.run { progress.note($0, ofLayer: position) }
                    await backend.space.release(claim)
                    return result
                } catch {
                    await backend.space.release(claim)
                    throw error
                }
            }
        }
    }

    /// Removes the downloads of layers that are in the store now, unless somebody is at them.
    func removePartials() async {
        for digest in Set(image.layers.map(\.descriptor.digest)) {
            do { try await backend.store.lockPartial(digest)?.remove() } catch {
                // It is the next collection's.
                backend.logger.debug("a download stays for now: \(error)")
            }
        }
    }
}
