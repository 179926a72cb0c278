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
        let images = try await importAll(request, tracker: tracker)
        guard images.count == 1 else {
            throw ImageError(.invalidArchive, "\(Self.names(of: request)) holds \(images.count) images")
        }
        return images[0]
    }

    /// The same for every image of an archive of several, in one commit.
    public func importAll(_ request: ImportRequest, tracker: any Tracker) async throws(ImageError) -> [Image]
    {
        if request.naming == nil { _ = try Self.localReference(request.name) }
        guard !request.inputs.isEmpty else {
            throw ImageError(
                .invalidArchive,
                "nothing to import as \(request.name): no tar file was given"
            )
        }
        var workspaces: [Workspace] = []
        let cancellation = Cancellation()
        do {
            let images = try await withTaskCancellationHandler {
                try await importAll(request, in: &workspaces, cancellation, tracker: tracker)
            } onCancel: {
                cancellation.cancel()
            }
            for workspace in workspaces { await workspace.close() }
            counters.noteImport(of: images)
            return images
        } catch {
            for workspace in workspaces { await workspace.close() }
            let failure = ImageError(error, during: "importing \(Self.names(of: request))")
            counters.noteImport(failure)
            throw failure
        }
    }

    private static func names(of request: ImportRequest) -> String {
        request.inputs.map(\.path.string).joined(separator: ", ")
    }

    /// - Parameter workspaces: gets one for each image; they keep the images' layers until the commit.
    private func importAll(
        _ request: ImportRequest,
        in workspaces: inout [Workspace],
        _ cancellation: Cancellation,
        tracker: any Tracker
    ) async throws -> [Image] {
        let (limits, room) = (
            configuration.archives,
            PipeSource.Room(path: store.layout.root, reserve: configuration.reserve)
        )
        var plan = try await onThread(named: "open") { _ in
            try ImportPlan(request, limits: limits, room: room, cancellation: cancellation)
        }
        if let (stream, bytes) = plan.stream {
            let workspace = try await store.openWorkspace("import")
            workspaces.append(workspace)
            try await read(stream, bytes, for: &plan, in: workspace, tracker: tracker)
        }
        let before = try plan.files.map { try $0.status() }
        var imported: [[ImportedLayer]] = []
        for image in plan.images {
            let workspace = try await store.openWorkspace("import")
            workspaces.append(workspace)
            imported.append(try await layers(image.layers, in: workspace, tracker: tracker))
        }
        for (file, status) in zip(plan.files, before) where try !file.status().hasSameContent(as: status) {
            throw ImageError(
                .changedWhileReading,
                "\(file.path) changed while it was read; it is read again once it rests",
                isTransient: true
            )
        }
        if let layers = imported.first { try await refuseArchive(layers, of: plan) }
        for layers in imported where !layers.contains(where: { $0.finished.blob.entries > 0 }) {
            throw ImageError(
                .invalidArchive,
                "\(Self.names(of: request)) holds no entries: end blocks alone may be a layer but are no image"
            )
        }
        let count = imported.reduce(0) { $0 + $1.count }
        tracker.report(ProgressEvent(phase: .commit, layers: count))
        let records = zip(imported, plan.images).map { Self.imageRecord($0, $1.archived) }
        // An item of the inbox means what it holds now; by hand there may be any number.
        try await store.commitImages(
            zip(records, plan.images).map { ($0, $1.references.map(\.description)) },
            source: request.source,
            replacing: request.source != .hand
        )
        tracker.report(ProgressEvent(phase: .done, layers: count))
        var images: [Image] = []
        for (position, record) in records.enumerated() {
            guard var image = try await image(record.digest) else {
                throw ImageError(
                    .notFound,
                    "\(plan.images[position].references[0]) was deleted while it was imported",
                    isTransient: true
                )
            }
            image.imported = report(of: imported[position], plan, position)
            images.append(image)
        }
        return images
    }

    private func report(of layers: [ImportedLayer], _ plan: ImportPlan, _ position: Int) -> ImportReport {
        ImportReport(
            inputDigests: plan.archiveDigest.map { [$0] } ?? layers.map(\.bytes.digest),
            claimed: plan.images[position].references.map(\.description),
            bytesRead: layers.reduce(0) { $0 + $1.bytesRead },
            bytesAdded: layers.reduce(0) { $0 + ($1.finished.isNew ? $1.finished.blob.size : 0) },
            deadBytes: layers.reduce(0) { $0 + ($1.conversion?.summary.deadBytes ?? 0) },
            warnings: plan.images[position].warnings + layers.flatMap { $0.conversion?.warnings ?? [] }
        )
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

    /// The image of an archive has its own manifest and config; a docker-archive, which has no manifest, gets one
    /// around its config, and plain layers get both, made from their digests alone: the same input is the same image
    /// everywhere.
    private static func imageRecord(_ layers: [ImportedLayer], _ image: ArchivedImage?) -> ImageRecord {
        let described = layers.map { layer in
            (
                digest: layer.bytes.digest, size: layer.bytes.count, diffID: layer.finished.blob.key.diffID,
                mediaType: MediaType.layer(compressedBy: layer.bytes.compression)
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
                ImageRecord.Layer(key: $0.finished.blob.key, digest: $0.bytes.digest, size: $0.bytes.count)
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
