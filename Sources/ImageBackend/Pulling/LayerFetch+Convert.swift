import Archives
import EROFS
import Host
import OCI
import Registry
import Store
import SystemPackage

extension LayerFetch {
    /// A layer's image in a file.
    enum Form: Sendable {
        /// Converted from a tar.
        case converted(LayerConverter.Result, image: FilePath)
        /// It came as an EROFS image, and was checked.
        case native(BlobRecord, image: FilePath, boot: FilePath)

        var conversion: LayerConverter.Result? {
            if case .converted(let result, _) = self { result } else { nil }
        }
    }

    /// Starts the download, which goes on from what the partial file holds.
    func begin(_ partial: Partial) async throws -> BlobDownload {
        let path = partial.path
        let file = try await onThread(named: "open-partial") { _ in
            try File(path, .readWrite, options: [.create, .noFollow])
        }
        do throws(RegistryError) {
            return try await client.download(layer, of: reference, partial: file)
        } catch { throw ImageError(error) }
    }

    /// Turns the tar into an image as it arrives; both digests have to be those of manifest and config.
    func convert(
        _ download: BlobDownload,
        to output: FilePath,
        progress: @escaping @Sendable (UInt64) -> Void
    ) async throws -> Form {
        let (configuration, name, digest) = (configuration, name, layer.descriptor.digest)
        let tool = try await backend.engineTool()
        // Layers side by side keep the processors busy as they are; more threads for each would cost memory only.
        let isOneOfMany = await backend.layerSlots.runningInAll > 2
        let jobs = isOneOfMany ? 1 : configuration.compressionJobs
        var result = try await reading(download) { cancellation in
            let image = try File(output, .readWrite, options: [.create, .exclusiveCreate])
            let converter = LayerConverter(
                compression: configuration.compression,
                guestKernel: configuration.guestKernel,
                jobs: jobs,
                limits: configuration.limits,
                cancellation: cancellation
            )
            return try converter.convert(
                download,
                name: name,
                isVouchedFor: true,
                checkedDigest: digest,
                to: image,
                progress: progress
            )
        }
        try check(result.diffID)
        if let tool { result = try await backend.written(by: tool, result, at: output) }
        return .converted(result, image: output)
    }

    /// Takes an EROFS image as it is, after a check: a guest's kernel is going to trust it.
    func take(
        _ native: NativeLayer,
        _ download: BlobDownload,
        to output: FilePath,
        progress: @escaping @Sendable (UInt64) -> Void
    ) async throws -> Form {
        let boot = output.removingLastComponent().appending("boot")
        let record = try await reading(download) { cancellation in
            try native.take(download, to: output, boot: boot, cancellation, progress: progress)
        }
        return .native(record, image: output, boot: boot)
    }

    /// Brings a layer that is complete by itself into the store; false for one that needs those below it.
    func commit(_ form: Form, _ workspace: Workspace) async throws -> Bool {
        switch form {
        case .converted(let result, let image):
            guard result.open == nil else { return false }
            let finisher = LayerFinisher(backend, workspace: workspace)
            _ = try await finisher.layer(at: 0) { .converted(result, image: image) }
        case .native(let record, let image, let boot):
            _ = try await backend.commit(
                native: record,
                image: image,
                boot: boot,
                compressed: layer.descriptor.digest,
                in: workspace
            )
        }
        return true
    }

    private func check(_ diffID: Digest) throws(ImageError) {
        guard diffID == layer.diffID else {
            throw ImageError(
                .digestMismatch,
                "\(name) unpacks to the digest \(diffID), but the image's config says \(layer.diffID): push the image again"
            )
        }
    }

    /// Runs work that reads the download on a thread. What stopped the download is the error, not what that meant for
    /// its reader.
    private func reading<Success: Sendable>(
        _ download: BlobDownload,
        _ work: @escaping @Sendable (Cancellation) throws -> Success
    ) async throws -> Success {
        do {
            return try await withTaskCancellationHandler {
                try await onThread(named: "pull-layer", work)
            } onCancel: {
                download.cancel()
            }
        } catch {
            if let failure = download.failure { throw ImageError(failure) }
            throw error
        }
    }
}
