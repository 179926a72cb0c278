import EROFS
import Host
import OCI
import Store
import SystemPackage

/// A layer that is there but for what it inherits.
enum UnfinishedLayer: Sendable {
    /// Converted just now; the plain image is a file of the workspace, which becomes the blob.
    case converted(LayerConverter.Result, image: FilePath)
    /// In the store, under whatever key: a blob that ``LayerFinisher/known(_:)`` found.
    case stored(BlobRecord)
}

/// A layer in the store, in the form that its image needs.
struct FinishedLayer: Sendable {
    var blob: BlobRecord
    /// Whether the store did not have this form before.
    var isNew: Bool
}

/// Brings the layers of one image into the store: imports and pulls obtain them in any order and at the same time,
/// each is finished when those below it are.
///
/// A layer that needs nothing of those below has its diffID for a key, whatever it lies on. Another is looked for under
/// its key, then made from any blob of the same diffID, whose data is used again: no layer is converted twice because
/// its base is another.
struct LayerFinisher: Sendable {
    private let backend: OCIBackend
    private let workspace: Workspace
    private let stack = LayerStack()

    private var store: Store { backend.store }
    private var configuration: OCIBackend.Config { backend.configuration }

    /// Begins an image. Files are made in the workspace, and blobs leased by it.
    init(_ backend: OCIBackend, workspace: Workspace) {
        self.backend = backend
        self.workspace = workspace
    }

    /// Any blob of a layer that is a tar, leased: with it the layer need not be fetched nor converted.
    func known(_ diffID: Digest) async throws -> BlobRecord? {
        try await store.anyBlob(of: diffID, leasedBy: workspace)
    }

    /// The blob of a native layer, leased.
    func known(_ layer: NativeLayer) async throws -> BlobRecord? {
        try await store.blob(layer.key, leasedBy: workspace)
    }

    /// Obtains a layer and finishes it. To be called once for each position of the image, for all at the same time:
    /// each waits for those below it.
    ///
    /// - Parameters:
    ///   - position: the layer's place in the image, 0 is the bottom.
    ///   - name: what it comes from, for messages.
    ///   - obtain: fetches or converts the layer.
    /// - Throws: what `obtain` throws; ``ImageError`` when the layers do not fit together.
    func layer(
        at position: Int,
        named name: String? = nil,
        obtain: () async throws -> UnfinishedLayer
    ) async throws -> FinishedLayer {
        do {
            let layer = try await obtain()
            let below = try await stack.below(position)
            let form: Form
            do { form = try await finalForm(of: layer, at: position, over: below) } catch let error
                as ImageError
                where error.code == .invalidArchive
            {
                throw name.map { error.located(in: $0) } ?? error
            }
            let image = form.image
            let hasOpaqueRoot = form.record.hasOpaqueRoot
            let reader = try await onThread(named: "open-layer") { _ in
                try ImageReader(file: File.regular(image))
            }
            await stack.place(MergedView.Layer(image: reader, hasOpaqueRoot: hasOpaqueRoot), at: position)
            guard form.isNew else { return FinishedLayer(blob: form.record, isNew: false) }
            return FinishedLayer(blob: try await commit(form, at: position), isNew: true)
        } catch {
            await stack.fail(error)
            throw error
        }
    }

    // MARK: The final form

    /// A layer's image as the guest will see it, in the store or still in the workspace.
    private struct Form: Sendable {
        var record: BlobRecord
        var image: FilePath
        var isNew: Bool
        var compressed: Digest?
        /// The guests' kernel that the layer was written anew for.
        var remadeFor: GuestKernel?
    }

    private func finalForm(
        of layer: UnfinishedLayer,
        at position: Int,
        over below: MergedView
    ) async throws -> Form {
        var form = form(of: layer)
        if !form.isNew, configuration.isBeyondGuests(form.record) {
            form = try await remade(form, at: position)
        }
        guard form.record.open != nil else {
            return form.isNew ? try await stored(form.record.key, insteadOf: form) ?? form : form
        }
        let source = form
        let plan = try await onThread(named: "inherit") { _ in
            try VariantPlan(source.record, source.image, below)
        }
        if plan.key == form.record.key, !form.isNew { return form }
        if let known = try await stored(plan.key, insteadOf: form) { return known }
        if !form.isNew { form.image = workspace.path.appending("layer\(position).variant.erofs") }
        let target = form.image
        let kernel = configuration.guestKernel
        form.record = try await onThread(named: "inherit") { cancellation in
            try plan.write(to: target, guestKernel: kernel, remadeFor: source.remadeFor, cancellation)
        }
        form.isNew = true
        return form
    }

    private func form(of layer: UnfinishedLayer) -> Form {
        switch layer {
        case .stored(let record):
            return Form(record: record, image: configuration.blobPath(record.key), isNew: false)
        case .converted(let conversion, let image):
            let record = BlobRecord(
                key: LayerKey(diffID: conversion.diffID),
                // Known once the final form is.
                sha256: conversion.diffID,
                size: conversion.summary.size,
                tarSize: conversion.tarSize,
                entries: Int(clamping: conversion.summary.entries),
                hasOpaqueRoot: conversion.hasOpaqueRoot,
                minimumGuestKernel: conversion.summary.minimumKernel.description,
                writer: conversion.writer,
                options: configuration.writerOptions,
                boot: BootListing(),
                open: conversion.open
            )
            let compressed = conversion.digest == conversion.diffID ? nil : conversion.digest
            return Form(record: record, image: image, isNew: true, compressed: compressed)
        }
    }

    /// The blob of a key if the store has it; what was made for it goes.
    private func stored(_ key: LayerKey, insteadOf form: Form) async throws -> Form? {
        guard let record = try await store.blob(key, leasedBy: workspace),
            !configuration.isBeyondGuests(record)
        else { return nil }
        if form.isNew { try Directory.unlink(form.image) }
        if let compressed = form.compressed {
            try await store.remember(compressed: compressed, of: key.diffID)
        }
        return Form(record: record, image: configuration.blobPath(key), isNew: false)
    }

    /// The layer's plain image, written anew from a blob that needs a newer Linux than the guests have.
    private func remade(_ form: Form, at position: Int) async throws -> Form {
        let target = workspace.path.appending("layer\(position).remade.erofs")
        let remake = LayerRemake(configuration: configuration)
        let record = try await backend.slots.run {
            try await onThread(named: "remake-layer") { cancellation in
                try remake.write(form.record, from: form.image, to: target, cancellation)
            }
        }
        return Form(record: record, image: target, isNew: true, remadeFor: configuration.guestKernel)
    }

    // MARK: Committing

    private func commit(_ form: Form, at position: Int) async throws -> BlobRecord {
        try await backend.checkBeforeCommit(form.image, of: "layer \(form.record.key)")
        let bootFolder = workspace.path.appending("boot\(position)")
        let unfinished = form.record
        let image = form.image
        let record = try await onThread(named: "seal-layer") { cancellation in
            var record = unfinished
            let file = try File.regular(image)
            record.boot = try BootFiles(image: ImageReader(file: file), folder: bootFolder)
                .extract(hasOpaqueRoot: record.hasOpaqueRoot)
            record.sha256 = try FileDigest.sha256(of: file, cancellation: cancellation)
            return record
        }
        return try await store.commitBlob(
            record,
            file: form.image,
            bootDirectory: try FileStatus.of(bootFolder) == nil ? nil : bootFolder,
            compressed: form.compressed,
            in: workspace,
            replacing: { [configuration] in configuration.isBeyondGuests($0) }
        )
    }
}
