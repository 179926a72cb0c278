import Archives
import EROFS
import Host
import OCI
import Registry
import Store
import SystemPackage

/// A layer of an import: its bytes, and the blob that they are in the store.
struct ImportedLayer: Sendable {
    /// The bytes as the input has them, for the manifest.
    struct Bytes: Sendable {
        var digest: Digest
        var count: UInt64
        var compression: Archives.Compression
    }

    var bytes: Bytes
    /// How many of them were read.
    var bytesRead: UInt64
    /// What converting them came to; nil where the store had the layer.
    var conversion: LayerConverter.Result?
    var finished: FinishedLayer
}

extension OCIBackend {
    /// Brings the layers of an image into the store, bottom first.
    func layers(
        _ inputs: [LayerInput],
        in workspace: Workspace,
        tracker: any Tracker
    ) async throws -> [ImportedLayer] {
        let limit = configuration.registry.imageLayers
        guard inputs.count <= limit else {
            throw ImageError(
                .limitExceeded,
                "\(inputs[0].name): an image of \(inputs.count) layers; \(limit) are allowed "
                    + "(store.limits.imageLayers)"
            )
        }
        let finisher = LayerFinisher(self, workspace: workspace)
        let turns = SequentialTurns(inputs.map(\.sequence))
        return try await withThrowingTaskGroup(of: (Int, ImportedLayer).self) { group in
            for (position, input) in inputs.enumerated() {
                group.addTask {
                    let job = LayerJob(input: input, position: position, count: inputs.count, turns: turns)
                    return (position, try await self.layer(job, finisher, in: workspace, tracker: tracker))
                }
            }
            var layers: [(Int, ImportedLayer)] = []
            for try await layer in group { layers.append(layer) }
            return layers.sorted { $0.0 < $1.0 }.map(\.1)
        }
    }

    private func layer(
        _ job: LayerJob,
        _ finisher: LayerFinisher,
        in workspace: Workspace,
        tracker: any Tracker
    ) async throws -> ImportedLayer {
        var obtained: ObtainedLayer?
        var finished = try await finisher.layer(at: job.position, named: job.input.name) {
            do {
                let layer = try await obtain(job, finisher, in: workspace, tracker: tracker)
                await job.turns.leave(job.position)
                obtained = layer
                return layer.unfinished
            } catch {
                await job.turns.leave(job.position)
                throw error
            }
        }
        if obtained?.isTaken == true { finished.isNew = true }
        guard let obtained else {
            throw ImageError(.cancelled, "stopped before a layer was read", isTransient: true)
        }
        return ImportedLayer(
            bytes: obtained.bytes,
            bytesRead: obtained.bytesRead,
            conversion: obtained.conversion,
            finished: finished
        )
    }

    /// Finds a native layer in the store, or takes it as it is.
    private func obtain(
        _ native: NativeLayer,
        _ job: LayerJob,
        _ finisher: LayerFinisher,
        in workspace: Workspace,
        tracker: any Tracker
    ) async throws -> ObtainedLayer {
        let bytes = ImportedLayer.Bytes(
            digest: job.input.digest ?? native.digest,
            count: job.input.size,
            compression: .none
        )
        if let known = try await finisher.known(native) {
            let wasTaken = job.input.wasTaken
            return ObtainedLayer(
                unfinished: .stored(known),
                bytes: bytes,
                bytesRead: wasTaken ? job.input.size : 0,
                isTaken: wasTaken
            )
        }
        await job.turns.enter(job.position)
        let taken = try await take(native, of: job, in: workspace, tracker: tracker)
        return ObtainedLayer(
            unfinished: .stored(taken),
            bytes: bytes,
            bytesRead: job.input.size,
            isTaken: true
        )
    }

    /// Brings a native layer into the store as it is.
    func take(
        _ native: NativeLayer,
        of job: LayerJob,
        in workspace: Workspace,
        tracker: any Tracker
    ) async throws -> BlobRecord {
        let image = job.image(in: workspace)
        let boot = workspace.path.appending("boot\(job.position)")
        let (record, digest) = try await slots.run {
            try await onThread(named: "take-layer") { cancellation in
                let source = DigestingSource(try job.input.source(cancellation))
                let record = try native.take(source, to: image, boot: boot, cancellation) { bytes in
                    tracker.report(job.progress(bytes))
                }
                return (record, source.finish().digest)
            }
        }
        if let promised = job.input.digest, promised != digest {
            throw ImageError.mismatch(job.input.name, digest, promised)
        }
        return try await commit(native: record, image: image, boot: boot, compressed: digest, in: workspace)
    }

    /// Finds a layer in the store, or converts it.
    private func obtain(
        _ job: LayerJob,
        _ finisher: LayerFinisher,
        in workspace: Workspace,
        tracker: any Tracker
    ) async throws -> ObtainedLayer {
        if let native = job.input.native(configuration.limits) {
            return try await obtain(native, job, finisher, in: workspace, tracker: tracker)
        }
        if let (known, bytes) = try await known(job.input, finisher) {
            return ObtainedLayer(unfinished: .stored(known), bytes: bytes)
        }
        if let (known, bytes) = try await recognised(job.input, finisher) {
            return ObtainedLayer(unfinished: .stored(known), bytes: bytes, bytesRead: job.input.size)
        }
        if job.input.sequence != nil {
            await job.turns.enter(job.position)
            // A layer that is there twice may have been converted meanwhile.
            if let (known, bytes) = try await known(job.input, finisher) {
                return ObtainedLayer(unfinished: .stored(known), bytes: bytes)
            }
        }
        let image = job.image(in: workspace)
        let tool = try await engineTool()
        var converted = try await job.input.converted(to: image)
        if converted == nil {
            converted = try await slots.run { () -> LayerConverter.Result? in
                try Task.checkCancellation()
                // An image may list one layer many times.
                guard try await known(job.input, finisher) == nil else { return nil }
                return try await convert(job, to: image, tracker: tracker)
            }
        }
        guard var result = converted else {
            return try await obtain(job, finisher, in: workspace, tracker: tracker)
        }
        let bytes = ImportedLayer.Bytes(
            digest: result.digest,
            count: result.bytes,
            compression: result.inputCompression
        )
        var unfinished = UnfinishedLayer.converted(result, image: image)
        if let tool {
            if let known = try await finisher.known(result.diffID) {
                unfinished = .stored(known)
            } else {
                result = try await written(by: tool, result, at: image)
                unfinished = .converted(result, image: image)
            }
        }
        return ObtainedLayer(
            unfinished: unfinished,
            bytes: bytes,
            bytesRead: result.bytes,
            conversion: result
        )
    }

    /// A layer that the store has, if the input says which layer it is: its bytes are not read then. What an archive of
    /// images promises is what its image is known by, so the store's layer is the right one whatever the bytes are.
    private func known(
        _ input: LayerInput,
        _ finisher: LayerFinisher
    ) async throws -> (BlobRecord, ImportedLayer.Bytes)? {
        guard let diffID = input.diffID, let record = try await finisher.known(diffID) else { return nil }
        if let digest = input.digest {
            return (record, ImportedLayer.Bytes(digest: digest, count: input.size, compression: .none))
        }
        // Without a digest, only of a plain tar is it known what the bytes are.
        guard record.tarSize == input.size else { return nil }
        return (record, ImportedLayer.Bytes(digest: diffID, count: input.size, compression: .none))
    }

    /// A layer that the store has, told by its bytes: where a known layer has as many, they are hashed first, which
    /// takes a fraction of converting them.
    private func recognised(
        _ input: LayerInput,
        _ finisher: LayerFinisher
    ) async throws -> (BlobRecord, ImportedLayer.Bytes)? {
        // Reading a compressed archive twice costs more than it saves; its layers say their diffIDs anyway.
        guard input.isCheapToIdentify, try await store.hasLayer(ofSize: input.size) else { return nil }
        let bytes = try await onThread(named: "hash") { try input.identify($0) }
        // Other bytes than those promised are the conversion's to refuse.
        guard input.digest == nil || input.digest == bytes.digest else { return nil }
        let known = try await store.diffID(ofCompressed: bytes.digest)
        let diffID = bytes.compression == .none ? bytes.digest : known
        guard let diffID, input.diffID == nil || input.diffID == diffID,
            let record = try await finisher.known(diffID)
        else { return nil }
        return (record, bytes)
    }

    func convert(
        _ job: LayerJob,
        to output: FilePath,
        tracker: any Tracker
    ) async throws -> LayerConverter.Result {
        // A layer hardly ever takes more than its tar, and a compressed one not much more than what it is given as.
        let claim = try await space.claim(job.input.size, for: "importing \(job.input.name)")
        do {
            let result = try await converted(job, to: output, tracker: tracker)
            await space.release(claim)
            return result
        } catch {
            await space.release(claim)
            throw error
        }
    }

    private func converted(
        _ job: LayerJob,
        to output: FilePath,
        tracker: any Tracker
    ) async throws -> LayerConverter.Result {
        let configuration = configuration
        return try await onThread(named: "convert") { cancellation in
            let image = try File(output, .readWrite, options: [.create, .exclusiveCreate])
            let converter = LayerConverter(
                compression: configuration.compression,
                guestKernel: configuration.guestKernel,
                jobs: configuration.compressionJobs,
                limits: configuration.limits,
                cancellation: cancellation
            )
            let conversion = try converter.convert(
                try job.input.source(cancellation),
                name: job.input.name,
                isVouchedFor: job.input.isVouchedFor,
                to: image
            ) { bytes in
                tracker.report(job.progress(bytes))
            }
            try job.input.check(conversion)
            return conversion
        }
    }
}

/// A layer to be imported, and its place in the image.
struct LayerJob: Sendable {
    var input: LayerInput
    var position: Int
    /// How many layers there are; nil while unknown.
    var count: Int?
    var turns = SequentialTurns([])

    /// Where its image is made.
    func image(in workspace: Workspace) -> FilePath {
        workspace.path.appending("layer\(position).erofs")
    }

    /// So many bytes of it were read.
    func progress(_ bytes: UInt64) -> ProgressEvent {
        ProgressEvent(
            phase: .layer,
            layer: position,
            layers: count,
            bytes: bytes,
            total: input.size > 0 ? input.size : nil
        )
    }
}

/// A layer before it is finished over those below it.
private struct ObtainedLayer: Sendable {
    var unfinished: UnfinishedLayer
    var bytes: ImportedLayer.Bytes
    var bytesRead: UInt64 = 0
    var conversion: LayerConverter.Result?
    /// Whether it is a native layer that the store did not have.
    var isTaken = false
}
