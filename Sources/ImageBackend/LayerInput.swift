import Archives
import Host
import OCI
import SystemPackage

/// One layer to be imported: where its bytes are and what is known of them beforehand.
struct LayerInput: Sendable {
    /// The bytes' name for errors.
    var name: String
    /// Where they are.
    var bytes: Bytes
    /// How many there are.
    var size: UInt64
    /// The digest that they have to have; nil where nobody promised one.
    var digest: Digest?
    /// The digest that the uncompressed tar has to have; nil where nobody promised one.
    var diffID: Digest?

    /// What the bytes are.
    var kind = Kind.tar

    /// What a layer's bytes are.
    enum Kind: Sendable {
        /// A tar, compressed or not.
        case tar
        /// An EROFS image, compressed or not; `diffID` is its digest.
        case erofs(hasOpaqueRoot: Bool)
    }

    /// Where a layer's bytes are.
    enum Bytes: Sendable {
        /// A file of their own.
        case file(File)
        /// A member of an archive of images.
        case member(ArchivedLayer, of: ImageArchive)
    }

    /// The layer as a native one; nil for a tar.
    func native(_ limits: LayerLimits) -> NativeLayer? {
        guard case .erofs(let hasOpaqueRoot) = kind, let diffID else { return nil }
        return NativeLayer(name: name, digest: diffID, hasOpaqueRoot: hasOpaqueRoot, limits: limits)
    }

    /// Where the bytes lie in a compressed archive, which is best read from front to back; nil where the order is
    /// all the same.
    var sequence: UInt64? {
        guard case .member(let layer, let archive) = bytes, archive.isSequential else { return nil }
        return layer.offset
    }

    /// A stream of the bytes.
    func source(_ cancellation: Cancellation) -> any ByteSource {
        switch bytes {
        case .file(let file): FileSource(file: file, cancellation: cancellation)
        case .member(let layer, let archive): archive.layerSource(layer, cancellation: cancellation)
        }
    }

    /// Reads all bytes and tells which they are.
    ///
    /// - Throws: `ArchiveError`.
    func identify(_ cancellation: Cancellation) throws(ArchiveError) -> ImportedLayer.Bytes {
        let stream: any ByteSource =
            switch bytes {
            // Leaves the file's position to whoever reads it next.
            case .file(let file): FileRangeSource(file: file, cancellation: cancellation)
            case .member: source(cancellation)
            }
        let source = DigestingSource(stream)
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 4096)
        defer { buffer.deallocate() }
        var compression: Archives.Compression?
        while case let count = try source.read(into: buffer), count > 0 {
            compression = compression ?? .detect(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
        }
        let (digest, count) = source.finish()
        return ImportedLayer.Bytes(digest: digest, count: count, compression: compression ?? .none)
    }

    /// Refuses a conversion whose digests are not those that were promised.
    func check(_ conversion: LayerConverter.Result) throws(ImageError) {
        if let digest, digest != conversion.digest { throw .mismatch(name, conversion.digest, digest) }
        if let diffID, diffID != conversion.diffID {
            throw ImageError(
                .digestMismatch,
                "\(name) unpacks to a tar with the digest \(conversion.diffID), but the image's config says \(diffID); "
                    + "save the image again"
            )
        }
    }
}

/// What an import request comes to: images, and what is known of them beforehand.
struct ImportPlan: Sendable {
    /// One image.
    struct PlannedImage: Sendable {
        var layers: [LayerInput]
        /// What it is called.
        var references: [Reference]
        /// The image in an archive of images; nil where the layers are all there is.
        var archived: ArchivedImage?
        /// What had to be left out.
        var warnings: [String] = []
    }

    var images: [PlannedImage] = []
    /// The digest of an archive of images, read for itself since its layers are read in any order.
    var archiveDigest: Digest?
    /// The files that are read, to tell whether they changed meanwhile.
    var files: [File] = []

    /// Opens what a request names.
    ///
    /// - Throws: ``ImageError``.
    init(_ request: ImportRequest, cancellation: Cancellation) throws(ImageError) {
        do {
            var layers: [LayerInput] = []
            for (position, input) in request.inputs.enumerated() {
                let promised =
                    position < request.promisedDigests.count ? request.promisedDigests[position] : nil
                let name = input.path.string
                let archive: ImageArchive?
                var whole: File?
                switch input {
                case .layout(let folder): archive = try ImageArchive.open(layout: folder)
                case .path(let path):
                    whole = try File.regular(path)
                    archive = try whole.flatMap { try Self.openArchive($0, cancellation) }
                case .open(let file):
                    whole = file
                    archive = try Self.openArchive(file, cancellation)
                }
                files += archive?.files ?? []
                if let whole { files.append(whole) }
                guard let archive else {
                    guard let whole else { continue }
                    layers.append(
                        LayerInput(
                            name: name,
                            bytes: .file(whole),
                            size: try whole.status().size,
                            digest: promised
                        )
                    )
                    continue
                }
                guard request.inputs.count == 1 else {
                    throw ImageError(
                        .invalidArchive,
                        "\(name) is an archive of images and cannot be a layer of one; import it by itself"
                    )
                }
                let digest =
                    try archive.digest
                    ?? whole.map { try FileDigest.sha256(of: $0, cancellation: cancellation) }
                if let promised, let digest, promised != digest {
                    throw ImageError.mismatch(name, digest, promised)
                }
                archiveDigest = digest
                images = try Self.images(of: archive, for: request, name: name)
            }
            if !layers.isEmpty {
                let reference =
                    try request.naming.map { try $0.reference() } ?? OCIBackend.localReference(request.name)
                images = [PlannedImage(layers: layers, references: [reference])]
            }
        } catch {
            throw ImageError(
                error,
                during: "opening \(request.inputs.map(\.path.string).joined(separator: ", "))"
            )
        }
    }

    private static func images(
        of archive: ImageArchive,
        for request: ImportRequest,
        name: String
    ) throws(ImageError) -> [PlannedImage] {
        var named: [(image: ArchivedImage, names: [Reference], warnings: [String])]
        if let naming = request.naming {
            let references: [(names: [Reference], warnings: [String])]
            do throws(ImageError) { references = try naming.references(of: archive.images) } catch {
                throw ImageError(error.code, "\(name): \(error.message)")
            }
            named = zip(archive.images, references).map { ($0, $1.names, $1.warnings) }
        } else {
            let chosen = try Self.choose(request.select, from: archive, name: name)
            named = [(chosen, [try OCIBackend.localReference(request.name)], [])]
        }
        return named.map { image, names, warnings in
            let layers = image.layers.map { layer in
                LayerInput(
                    name: "\(name): \(layer.path)",
                    bytes: .member(layer, of: archive),
                    size: layer.size,
                    digest: layer.digest,
                    diffID: layer.diffID,
                    kind: layer.mediaType?.isErofsLayer == true
                        ? .erofs(hasOpaqueRoot: NativeAnnotation.hasOpaqueRoot(layer.annotations)) : .tar
                )
            }
            return PlannedImage(layers: layers, references: names, archived: image, warnings: warnings)
        }
    }

    /// What is no tar at all, or is damaged, is the conversion's to report.
    private static func openArchive(_ file: File, _ cancellation: Cancellation) throws(ArchiveError)
        -> ImageArchive?
    {
        do throws(ArchiveError) {
            return try ImageArchive.open(file, name: file.path.string, cancellation: cancellation)
        } catch {
            guard [.notATar, .truncated, .checksum, .trailingGarbage].contains(error.code) else {
                throw error
            }
            return nil
        }
    }

    private static func choose(
        _ select: String?,
        from archive: ImageArchive,
        name: String
    ) throws(ImageError) -> ArchivedImage {
        let list = archive.images.map { $0.references.first ?? $0.tag ?? $0.configDigest.description }
        if let select {
            let wanted = (try? Reference(parsing: select))?.description
            let matches = archive.images.filter { image in
                image.tag == select || image.manifestDigest?.description == select
                    || image.configDigest.description == select
                    || image.references.contains {
                        $0 == select || (try? Reference(parsing: $0))?.description == wanted
                    }
            }
            guard let match = matches.first else {
                throw ImageError(
                    .notFound,
                    "\(name) holds no image \(select); it has \(list.joined(separator: ", "))"
                )
            }
            return match
        }
        guard archive.images.count == 1 else {
            throw ImageError(
                .invalidArchive,
                "\(name) holds \(archive.images.count) images: \(list.joined(separator: ", ")); say which with --select"
            )
        }
        return archive.images[0]
    }
}

extension ImageError {
    /// Bytes that are not those that were promised.
    static func mismatch(_ name: String, _ actual: Digest, _ promised: Digest) -> ImageError {
        ImageError(
            .digestMismatch,
            "\(name) has the digest \(actual), but \(promised) was promised for it; copy the file again or correct the "
                + "promise"
        )
    }
}
