import Archives
import EROFS
import Host
import OCI
import Store
import SystemPackage

extension OCIBackend {
    /// Imports tar files as one image, a layer each, bottom first; a single docker-archive or OCI layout is the
    /// image that it holds.
    ///
    /// - Throws: ``ImageError`` that names the file, the entry and what to do. The input is never changed, and
    ///   nothing of a failed import stays.
    public func `import`(_ request: ImportRequest, tracker: any Tracker) async throws(ImageError) -> Image {
        let reference = try Self.localReference(request.name)
        guard !request.inputs.isEmpty else {
            throw ImageError(.invalidArchive, "nothing to import as \(reference): no tar file was given")
        }
        let workspace = try await withStore("opening a workspace") { try await store.openWorkspace("import") }
        do {
            let plan = try await onThread(named: "open") { try ImportPlan(request, cancellation: $0) }
            let before = try plan.files.map { try $0.status() }
            let layers = try await convert(plan, in: workspace, tracker: tracker)
            for (file, status) in zip(plan.files, before) where try !file.status().hasSameContent(as: status)
            {
                throw ImageError(
                    .changedWhileReading,
                    "\(file.path) changed while it was read; it is read again once it rests",
                    isTransient: true
                )
            }
            guard layers.contains(where: { $0.blob.entries > 0 }) else {
                let files = request.inputs.map(\.path.string).joined(separator: ", ")
                throw ImageError(
                    .invalidArchive,
                    "\(files) holds no entries: end blocks alone may be a layer but are no image"
                )
            }
            tracker.report(ProgressEvent(phase: .commit, layers: layers.count))
            let record = Self.imageRecord(layers, plan.image)
            // An item of the inbox means one image at a time; by hand there may be any number.
            try await store.commitImage(
                record,
                references: [reference.description],
                source: request.source,
                replacing: request.source != .hand
            )
            await workspace.close()
            tracker.report(ProgressEvent(phase: .done, layers: layers.count))
            guard var image = try await image(record.digest) else {
                throw ImageError(
                    .notFound,
                    "\(reference) was deleted while it was imported",
                    isTransient: true
                )
            }
            image.imported = ImportReport(
                inputDigests: plan.archiveDigest.map { [$0] } ?? layers.map(\.conversion.digest),
                bytesRead: layers.reduce(0) { $0 + $1.conversion.bytes },
                bytesAdded: layers.reduce(0) { $0 + ($1.isNew ? $1.blob.size : 0) },
                deadBytes: layers.reduce(0) { $0 + $1.conversion.summary.deadBytes },
                warnings: layers.flatMap(\.conversion.warnings)
            )
            return image
        } catch {
            await workspace.close()
            throw ImageError(error, during: "importing \(reference)")
        }
    }

    /// Whether a file looks like a tar, compressed or not: its first blocks are read, nothing else.
    public static func isTarFile(_ path: FilePath) throws(ImageError) -> Bool {
        do {
            if case .tar = try ArchiveProbe.probe(File.regular(path)) { return true }
            return false
        } catch let error as ArchiveError where error.code != .io {
            // Compressed, and damaged from the start.
            return false
        } catch { throw ImageError(error, during: "reading \(path)") }
    }

    /// The reference that an imported image gets: a short name is one of `localhost/`.
    static func localReference(_ name: String) throws(ImageError) -> Reference {
        do {
            return try Reference(parsing: Reference.isShortName(name) ? "localhost/\(name)" : name)
        } catch {
            throw ImageError(.invalidReference, "'\(name)' cannot name an image: \(error)")
        }
    }

    /// A layer that was converted and committed.
    private struct ImportedLayer: Sendable {
        var conversion: LayerConverter.Result
        var blob: BlobRecord
        var isNew: Bool
    }

    private func convert(
        _ plan: ImportPlan,
        in workspace: Workspace,
        tracker: any Tracker
    ) async throws -> [ImportedLayer] {
        try await withThrowingTaskGroup(of: (Int, ImportedLayer).self) { group in
            for (position, input) in plan.layers.enumerated() {
                group.addTask {
                    let layer = try await self.slots.run {
                        try Task.checkCancellation()
                        return try await self.convert(
                            input,
                            position: position,
                            of: plan.layers.count,
                            in: workspace,
                            tracker: tracker
                        )
                    }
                    return (position, layer)
                }
            }
            var layers: [(Int, ImportedLayer)] = []
            for try await layer in group { layers.append(layer) }
            return layers.sorted { $0.0 < $1.0 }.map(\.1)
        }
    }

    private func convert(
        _ input: LayerInput,
        position: Int,
        of count: Int,
        in workspace: Workspace,
        tracker: any Tracker
    ) async throws -> ImportedLayer {
        let output = workspace.path.appending("layer\(position).erofs")
        let bootFolder = workspace.path.appending("boot\(position)")
        let configuration = configuration
        let tool = try await engineTool()
        var (conversion, boot) = try await onThread(named: "convert") { cancellation in
            let image = try File(output, .readWrite, options: [.create, .exclusiveCreate])
            let converter = LayerConverter(
                compression: configuration.compression,
                jobs: configuration.compressionJobs,
                limits: configuration.limits,
                cancellation: cancellation
            )
            let conversion = try converter.convert(
                input.source(cancellation),
                name: input.name,
                isVouchedFor: input.digest != nil || input.diffID != nil,
                to: image
            ) { bytes in
                tracker.report(
                    ProgressEvent(
                        phase: .layer,
                        layer: position,
                        layers: count,
                        bytes: bytes,
                        total: input.size
                    )
                )
            }
            try input.check(conversion)
            let boot = try BootFiles(image: ImageReader(file: image), folder: bootFolder)
                .extract(hasOpaqueRoot: conversion.hasOpaqueRoot)
            return (conversion, boot)
        }
        let key = LayerKey(diffID: conversion.diffID)
        if let known = try await store.blob(key, leasedBy: workspace) {
            try Directory.unlink(output)
            return ImportedLayer(conversion: conversion, blob: known, isNew: false)
        }
        if let tool { conversion = try await written(by: tool, conversion, at: output) }
        try await checkBeforeCommit(output, of: key)
        let sha256 = try await onThread(named: "hash") {
            try FileDigest.sha256(of: File.regular(output), cancellation: $0)
        }
        let record = BlobRecord(
            key: key,
            sha256: sha256,
            size: conversion.summary.size,
            tarSize: conversion.tarSize,
            entries: Int(clamping: conversion.summary.entries),
            hasOpaqueRoot: conversion.hasOpaqueRoot,
            minimumGuestKernel: conversion.summary.minimumKernel,
            writer: conversion.writer,
            options: configuration.writerOptions,
            boot: boot,
            impliedDirectories: conversion.impliedDirectories
        )
        let isThere = try FileStatus.of(bootFolder) != nil
        let blob = try await store.commitBlob(
            record,
            file: output,
            bootDirectory: isThere ? bootFolder : nil,
            compressed: conversion.digest == conversion.diffID ? nil : conversion.digest,
            in: workspace
        )
        return ImportedLayer(conversion: conversion, blob: blob, isNew: true)
    }

    /// The image of an archive has its own manifest and config; a docker-archive, which has no manifest, gets one
    /// around its config, and plain layers get both, made from their digests alone: the same input is the same image
    /// everywhere.
    private static func imageRecord(_ layers: [ImportedLayer], _ image: ArchivedImage?) -> ImageRecord {
        let described = layers.map { layer in
            let conversion = layer.conversion
            return (
                digest: conversion.digest, size: conversion.bytes, diffID: conversion.diffID,
                mediaType: MediaType.layer(compressedBy: conversion.inputCompression)
            )
        }
        let made =
            image.map { Manifest.synthesized(layers: described, configBytes: $0.configBytes) }
            ?? Manifest.synthesized(layers: described, platform: .host)
        return ImageRecord(
            digest: image?.manifestDigest ?? made.manifestDigest,
            manifest: String(decoding: image?.manifestBytes ?? made.manifestBytes, as: UTF8.self),
            configDigest: made.configDigest,
            config: String(decoding: made.configBytes, as: UTF8.self),
            indexDigests: [],
            platform: (image?.config.platform ?? .host).description,
            layers: layers.map {
                ImageRecord.Layer(key: $0.blob.key, digest: $0.conversion.digest, size: $0.conversion.bytes)
            },
            created: image?.config.created
        )
    }
}

extension MediaType {
    /// The media type of a layer by its compression (OCI image-spec, layer.md); for those that the specification
    /// does not know, the suffix says it all the same.
    fileprivate static func layer(compressedBy compression: Archives.Compression) -> MediaType {
        switch compression {
        case .none: .ociLayer
        case .gzip: .ociLayerGzip
        case .zstd: .ociLayerZstd
        default: MediaType(rawValue: "\(MediaType.ociLayer)+\(compression.rawValue)")
        }
    }
}

extension FileStatus {
    /// Whether nothing was written in between, as far as size and time tell.
    fileprivate func hasSameContent(as other: FileStatus) -> Bool {
        size == other.size && modified == other.modified
    }
}

/// The product's version: blobs record it, and the command line prints it.
public let slipwayVersion = "0.1.0"
