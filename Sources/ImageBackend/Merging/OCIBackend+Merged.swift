import EROFS
import Host
import Logging
public import OCI
public import Store
import SystemPackage

extension OCIBackend {
    /// The disk that holds all layers of an image, made where the store does not have it or the guests' kernel does not
    /// mount it.
    ///
    /// - Throws: ``ImageError`` `notFound` that names a layer which the store has lost; `noSpace`, `io`.
    public func mergedDisk(of image: Digest, keys: [LayerKey]) async throws(ImageError) -> MergedDisk {
        let operation = "merging the layers of \(image)"
        let id = MergedRecord.id(of: keys)
        do {
            if let record = try await store.useMergedDisk(id), !configuration.isBeyondGuests(record) {
                return configuration.disk(record)
            }
            let record = try await merges.value(for: id) {
                try await self.merge(keys, of: image)
            }
            return configuration.disk(record)
        } catch { throw ImageError(error, during: operation) }
    }

    /// The disk that holds all layers of an image, if it is there.
    public func presentMergedDisk(keys: [LayerKey]) async throws(ImageError) -> MergedDisk? {
        let id = MergedRecord.id(of: keys)
        let record = try await withStore("looking up the merged disk \(id.hex)") {
            try await store.mergedDisk(id)
        }
        guard let record, !configuration.isBeyondGuests(record) else { return nil }
        return configuration.disk(record)
    }

    /// Makes the disk from the layers' blobs, which are leased meanwhile.
    private func merge(_ keys: [LayerKey], of image: Digest) async throws -> MergedRecord {
        logger.info("merging \(keys.count) layers of \(image) into one disk")
        let workspace = try await store.openWorkspace("merge")
        do {
            let record = try await merge(keys, of: image, in: workspace)
            await workspace.close()
            return record
        } catch {
            await workspace.close()
            throw error
        }
    }

    private func merge(
        _ keys: [LayerKey],
        of image: Digest,
        in workspace: Workspace
    ) async throws -> MergedRecord {
        var blobs: [BlobRecord] = []
        for key in keys {
            guard let blob = try await store.blob(key, leasedBy: workspace) else {
                throw ImageError(
                    .notFound,
                    "the store has lost layer \(key) of \(image); import the image again"
                )
            }
            blobs.append(blob)
        }
        blobs = try await withinGuestKernel(blobs, keys, of: image)
        let layers = AttachedLayers(blobs).merged
        let what = "merging the layers of \(image)"
        let claim = try await space.claim(layers.reduce(0) { $0 + $1.size }, for: what)
        do {
            let record = try await write(layers, keys, in: workspace)
            await space.release(claim)
            return record
        } catch {
            await space.release(claim)
            throw error
        }
    }

    private func write(
        _ layers: [BlobRecord],
        _ keys: [LayerKey],
        in workspace: Workspace
    ) async throws -> MergedRecord {
        let target = workspace.path.appending("merged.erofs")
        let configuration = configuration
        // All that the bytes depend on: an overlay's writable layer names files below by UUID and inode.
        let content = [MergedRecord.id(of: keys).hex] + layers.map(\.sha256.hex)
        let identity = "slipway:merged:\(content.joined(separator: ",")):\(configuration.writerOptions)"
        let uuid = Digest.sha256(of: Array(identity.utf8)).uuid
        let record = try await slots.run {
            try await onThread(named: "merge") { cancellation in
                let file = try File(target, .readWrite, options: [.create, .exclusiveCreate])
                let images = try layers.map { layer in
                    (try File.regular(configuration.blobPath(layer.key)), layer.hasOpaqueRoot)
                }
                let summary = try LayerMerge.write(
                    images,
                    to: file,
                    options: WriterOptions(
                        compression: configuration.compression,
                        guestKernel: configuration.guestKernel,
                        uuid: uuid,
                        jobs: configuration.compressionJobs,
                        cancellation: cancellation
                    )
                )
                return MergedRecord(
                    keys: keys,
                    sha256: try FileDigest.sha256(of: file, cancellation: cancellation),
                    size: summary.size,
                    entries: Int(clamping: summary.entries),
                    minimumGuestKernel: summary.minimumKernel.description,
                    writer: "slipway \(slipwayVersion)",
                    options: configuration.writerOptions
                )
            }
        }
        try await checkBeforeCommit(target, of: "the merged disk \(record.id.hex)")
        return try await store.commitMergedDisk(record, file: target, in: workspace) {
            configuration.isBeyondGuests($0)
        }
    }
}

extension OCIBackend.Config {
    fileprivate func disk(_ record: MergedRecord) -> MergedDisk {
        MergedDisk(
            id: record.id,
            storage: StorageConfig(path: store.mergedDisk(record.id), isReadOnly: true, serial: "merged"),
            bytes: record.size
        )
    }

    /// Whether a merged disk needs a newer Linux than the guests have.
    func isBeyondGuests(_ record: MergedRecord) -> Bool { isBeyondGuests(record.minimumGuestKernel) }
}
