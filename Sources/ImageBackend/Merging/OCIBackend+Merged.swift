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
        let size = layers.reduce(0) { $0 + $1.size }
        do {
            let likely = size + size / 8 + Self.mergeSlack
            return try await write(layers, keys, in: workspace, claiming: size, upTo: likely, for: what)
        } catch EROFSError.limitExceeded {
            logger.notice("\(what): their files share blocks, so the disk is larger than they are")
            // What they would come to if nothing were compressed or shared.
            let most = layers.reduce(0) { $0 + $1.mostWhenMerged }
            return try await write(layers, keys, in: workspace, claiming: most, upTo: most, for: what)
        }
    }

    /// What a merged disk may have beyond the layers' sizes: inodes that were short, indexes that were shared.
    private static var mergeSlack: UInt64 { 16 << 20 }

    /// Writes the disk once there is room for it.
    ///
    /// - Throws: `EROFSError` `limitExceeded` when its data comes to more than `maximum` bytes; nothing is left then.
    private func write(
        _ layers: [BlobRecord],
        _ keys: [LayerKey],
        in workspace: Workspace,
        claiming bytes: UInt64,
        upTo maximum: UInt64,
        for what: String
    ) async throws -> MergedRecord {
        let claim = try await space.claim(bytes, for: what)
        do {
            let record = try await write(layers, keys, in: workspace, upTo: maximum)
            await space.release(claim)
            return record
        } catch {
            try Directory.unlink(Self.mergeTarget(in: workspace))
            await space.release(claim)
            throw error
        }
    }

    private static func mergeTarget(in workspace: Workspace) -> FilePath {
        workspace.path.appending("merged.erofs")
    }

    private func write(
        _ layers: [BlobRecord],
        _ keys: [LayerKey],
        in workspace: Workspace,
        upTo maximum: UInt64
    ) async throws -> MergedRecord {
        let target = Self.mergeTarget(in: workspace)
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
                        maximumDataBytes: maximum,
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

extension BlobRecord {
    /// More bytes than the layer adds to a merged disk: its tree as it is, each file with a block begun at either end.
    fileprivate var mostWhenMerged: UInt64 {
        let (blocks, overflow) = UInt64(entries).multipliedReportingOverflow(by: 8192)
        let (sum, overflow2) = tarSize.addingReportingOverflow(blocks)
        return overflow || overflow2 ? .max / 1024 : sum
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
