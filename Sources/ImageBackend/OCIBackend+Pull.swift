import EROFS
import Host
import OCI
import Registry
import Store
import SystemPackage

extension OCIBackend {
    /// Makes an image of a registry part of the store: asks what the reference means as the policy says, fetches the
    /// layers that the store does not have, several at a time, each converted while it arrives, and claims the image.
    ///
    /// An image that is there costs one request, and none where the policy or a digest makes that needless. What was
    /// fetched of a layer when a pull fails or the process dies is kept, and the next pull goes on from there.
    ///
    /// - Throws: ``ImageError`` that names the reference, the registry, the layer and what to do.
    public func pull(_ request: PullRequest, tracker: any Tracker) async throws(ImageError) -> Image {
        do throws(ImageError) {
            let image = try await pulling(request, tracker: tracker)
            counters.notePull(of: image)
            return image
        } catch {
            counters.notePull(error)
            throw error
        }
    }

    private func pulling(
        _ request: PullRequest,
        tracker: any Tracker
    ) async throws(ImageError) -> Image {
        let reference = request.reference
        guard !reference.isLocal else {
            throw ImageError(
                .unsupported,
                "\(reference) is an image of this host and comes from no registry: import it from a tar file"
            )
        }
        do {
            if request.policy != .always || reference.digest != nil,
                let stored = try await present(request)
            {
                return try await claim(stored, request, resolved: reference.digest)
            }
            guard request.policy != .never else {
                throw ImageError(
                    .notFound,
                    "\(reference) is not in the store, and pull=never keeps the registry from being asked: import it, or "
                        + "write pull=if-not-present",
                    isTransient: true
                )
            }
            let client = try registry.client()
            let digest = try await client.digest(of: reference)
            if let stored = try await intact(try await store.images(knownAs: digest), request) {
                return try await claim(stored, request, resolved: digest)
            }
            let remote = try await client.resolve(reference, platform: request.platform ?? .host)
            return try await fetch(remote, request, client, tracker)
        } catch { throw ImageError(error, during: "pulling \(reference)") }
    }

    // MARK: What is there

    /// The image that the store has under the request's reference or digest, for its platform.
    private func present(_ request: PullRequest) async throws -> StoredImage? {
        if let digest = request.reference.digest {
            return try await intact(try await store.images(knownAs: digest), request)
        }
        guard let stored = try await store.image(reference: request.reference.description) else { return nil }
        return try await intact([stored], request)
    }

    /// The first of some images that is for the platform and whose layers are all there.
    private func intact(_ images: [StoredImage], _ request: PullRequest) async throws -> StoredImage? {
        let wanted = request.platform ?? .host
        for image in images
        where Platform(image.record.platform).map({ wanted.preference(for: $0) == 0 }) ?? false {
            let keys = Set(image.record.layers.map(\.key))
            if try await blobs(Array(keys)).count == keys.count { return image }
        }
        return nil
    }

    /// Claims an image that is there; nothing is written where the source has claimed and pinned it already.
    private func claim(
        _ stored: StoredImage,
        _ request: PullRequest,
        resolved: Digest?
    ) async throws -> Image {
        let digest = stored.record.digest
        let claims = try await store.claims().filter { $0.source == request.source }
        let wanted = Set(request.references)
        let held = Set(claims.filter { $0.image == digest }.map(\.reference))
        let isClaimed =
            request.source == .hand
            ? held.isSuperset(of: wanted) : held == wanted && claims.count == wanted.count
        let isUnchanged = isClaimed && stored.pins.contains(request.source)
        if !isUnchanged {
            try await store.commitImage(
                stored.record,
                references: request.references,
                source: request.source,
                replacing: request.source != .hand
            )
        }
        return try await report(
            digest,
            request,
            PullReport(
                resolved: resolved,
                isUnchanged: isUnchanged,
                layerBytes: stored.record.layers.reduce(0) { $0 + $1.size }
            )
        )
    }

    private func report(_ digest: Digest, _ request: PullRequest, _ report: PullReport) async throws -> Image
    {
        guard var image = try await image(digest) else {
            throw ImageError(
                .notFound,
                "\(request.reference) was deleted while it was pulled",
                isTransient: true
            )
        }
        image.pulled = report
        return image
    }

    // MARK: What is fetched

    private func fetch(
        _ remote: RemoteImage,
        _ request: PullRequest,
        _ client: RegistryClient,
        _ tracker: any Tracker
    ) async throws -> Image {
        let record = try ImageDocuments(remote)
        let workspace = try await store.openWorkspace("pull")
        do {
            let pull = ImagePull(
                backend: self,
                client: client,
                image: remote,
                workspace: workspace,
                progress: PullProgress(remote.layers, tracker)
            )
            let layers = try await pull.layers()
            guard layers.contains(where: { $0.finished.blob.entries > 0 }) else {
                throw ImageError(.invalidManifest, "\(request.reference) holds no files: it is no image")
            }
            tracker.report(ProgressEvent(phase: .commit, layers: layers.count))
            // An input means one image at a time; by hand there may be any number.
            try await store.commitImage(
                record.record(layers: layers.map(\.finished.blob.key)),
                references: request.references,
                source: request.source,
                replacing: request.source != .hand
            )
            await pull.removePartials()
            await workspace.close()
            tracker.report(ProgressEvent(phase: .done, layers: layers.count))
            return try await report(
                remote.manifestDigest,
                request,
                PullReport(
                    resolved: remote.digest,
                    isUnchanged: false,
                    layerBytes: remote.layers.reduce(0) { $0 + $1.descriptor.size },
                    bytesFetched: layers.reduce(0) { $0 + $1.bytesFetched },
                    bytesAdded: layers.reduce(0) { $0 + ($1.finished.isNew ? $1.finished.blob.size : 0) },
                    deadBytes: layers.reduce(0) { $0 + ($1.conversion?.summary.deadBytes ?? 0) },
                    warnings: layers.flatMap { $0.conversion?.warnings ?? [] }
                )
            )
        } catch {
            await workspace.close()
            throw error
        }
    }
}

/// An image's documents as text, as the store keeps them.
private struct ImageDocuments {
    private let remote: RemoteImage
    private let manifest: String
    private let config: String

    init(_ remote: RemoteImage) throws(ImageError) {
        guard let manifest = String(validating: remote.manifestBytes, as: UTF8.self),
            let config = String(validating: remote.configBytes, as: UTF8.self)
        else {
            throw ImageError(.invalidManifest, "\(remote.reference): its manifest or config is no UTF-8")
        }
        self.remote = remote
        self.manifest = manifest
        self.config = config
    }

    func record(layers keys: [LayerKey]) -> ImageRecord {
        ImageRecord(
            digest: remote.manifestDigest,
            manifest: manifest,
            configDigest: remote.configDigest,
            config: config,
            indexDigests: remote.indexDigests,
            platform: remote.platform.normalized.description,
            layers: zip(keys, remote.layers).map { key, layer in
                ImageRecord.Layer(key: key, digest: layer.descriptor.digest, size: layer.descriptor.size)
            },
            created: remote.config.created
        )
    }
}
