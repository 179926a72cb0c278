import Archives
import Host
import OCI
import SystemPackage

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
    /// An archive of images that comes through a pipe: there are no images before it has passed.
    private(set) var stream: (members: ArchiveStream, bytes: PipeSource)?

    private let request: ImportRequest

    /// Opens what a request names.
    ///
    /// - Parameter cancellation: stops the opening, and the reading of pipes until the import has ended.
    /// - Throws: ``ImageError``.
    init(
        _ request: ImportRequest,
        limits: ArchiveLimits,
        room: PipeSource.Room,
        cancellation: Cancellation
    ) throws(ImageError) {
        self.request = request
        do {
            var layers: [LayerInput] = []
            for (position, input) in request.inputs.enumerated() {
                let promised =
                    position < request.promisedDigests.count ? request.promisedDigests[position] : nil
                let opened = try Opened(input, limits: limits, room: room, cancellation: cancellation)
                files += opened.files
                switch opened.content {
                case .layer(let bytes, let size):
                    layers.append(
                        LayerInput(name: input.path.string, bytes: bytes, size: size, digest: promised)
                    )
                case .archive(let archive, let digest):
                    try Self.checkIsAlone(input, in: request)
                    if let promised, promised != digest {
                        throw ImageError.mismatch(input.path.string, digest, promised)
                    }
                    archiveDigest = digest
                    images = try plannedImages(archive.images) { .member($0, of: archive) }
                case .stream(let stream, let bytes):
                    try Self.checkIsAlone(input, in: request)
                    self.stream = (stream, bytes)
                }
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

    private static func checkIsAlone(
        _ input: ImportRequest.Input,
        in request: ImportRequest
    ) throws(ImageError) {
        guard request.inputs.count > 1 else { return }
        throw ImageError(
            .invalidArchive,
            "\(input.path) is an archive of images and cannot be a layer of one; import it by itself"
        )
    }

    /// The images that a request wants of an archive.
    ///
    /// - Parameters:
    ///   - archived: the archive's images.
    ///   - bytes: where a layer's bytes are.
    func plannedImages(
        _ archived: [ArchivedImage],
        bytes: (ArchivedLayer) -> LayerInput.Bytes
    ) throws(ImageError) -> [PlannedImage] {
        let name = request.inputs[0].path.string
        var named: [(image: ArchivedImage, names: [Reference], warnings: [String])]
        if let naming = request.naming {
            let references: [(names: [Reference], warnings: [String])]
            do throws(ImageError) { references = try naming.references(of: archived) } catch {
                throw ImageError(error.code, "\(name): \(error.message)")
            }
            named = zip(archived, references).map { ($0, $1.names, $1.warnings) }
        } else {
            let chosen = try Self.choose(request.select, from: archived, name: name)
            named = [(chosen, [try OCIBackend.localReference(request.name)], [])]
        }
        return named.map { image, names, warnings in
            let layers = image.layers.map { layer in
                LayerInput(
                    name: "\(name): \(layer.path)",
                    bytes: bytes(layer),
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

    /// Takes in an archive that has passed.
    mutating func note(passed images: [PlannedImage], digest: Digest) {
        self.images = images
        archiveDigest = digest
        stream = nil
    }

    /// Whether the one layer there is comes through a pipe.
    var isPipedLayer: Bool {
        guard images.count == 1, images[0].layers.count == 1 else { return false }
        guard case .pipe = images[0].layers[0].bytes else { return false }
        return true
    }

    private static func choose(
        _ select: String?,
        from images: [ArchivedImage],
        name: String
    ) throws(ImageError) -> ArchivedImage {
        let list = images.map { $0.references.first ?? $0.tag ?? $0.configDigest.description }
        if let select {
            let wanted = (try? Reference(parsing: select))?.description
            let matches = images.filter { image in
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
        guard images.count == 1 else {
            throw ImageError(
                .invalidArchive,
                "\(name) holds \(images.count) images: \(list.joined(separator: ", ")); say which with --select"
            )
        }
        return images[0]
    }
}

/// An input of an import, opened.
private struct Opened {
    enum Content {
        /// A layer, and how many bytes it has; 0 where nobody knows.
        case layer(LayerInput.Bytes, size: UInt64)
        /// An archive of images, and its digest.
        case archive(ImageArchive, Digest)
        /// An archive of images that comes through a pipe.
        case stream(ArchiveStream, PipeSource)
    }

    let content: Content
    /// The files that are read.
    let files: [File]

    init(
        _ input: ImportRequest.Input,
        limits: ArchiveLimits,
        room: PipeSource.Room,
        cancellation: Cancellation
    ) throws {
        switch input {
        case .layout(let folder):
            let archive = try ImageArchive.open(layout: folder, limits: limits)
            // A layout always has the digest of its index.
            content = .archive(archive, archive.digest ?? Digest.sha256(of: []))
            files = archive.files
        case .path(let path):
            self = try Opened(File.regular(path), limits, cancellation)
        case .open(let file):
            self = try Opened(file, limits, cancellation)
        case .pipe(let file):
            let bytes = PipeSource(file, room: room, cancellation: cancellation)
            files = []
            let ahead = ReadAheadSource(bytes, name: file.path.string, cancellation: cancellation)
            content =
                switch try PipedInput(ahead, name: file.path.string, limits: limits) {
                case .images(let stream): .stream(stream, bytes)
                case .layer(let layer): .layer(.pipe(layer), size: 0)
                }
        }
    }

    private init(_ file: File, _ limits: ArchiveLimits, _ cancellation: Cancellation) throws {
        files = [file]
        guard let archive = try Self.archive(file, limits, cancellation) else {
            content = .layer(.file(file), size: try file.status().size)
            return
        }
        let digest =
            if let digest = archive.digest { digest } else {
                try FileDigest.sha256(of: file, cancellation: cancellation)
            }
        content = .archive(archive, digest)
    }

    /// What is no tar at all, or is damaged, is the conversion's to report.
    private static func archive(
        _ file: File,
        _ limits: ArchiveLimits,
        _ cancellation: Cancellation
    ) throws(ArchiveError) -> ImageArchive? {
        do throws(ArchiveError) {
            return try ImageArchive.open(
                file,
                name: file.path.string,
                limits: limits,
                cancellation: cancellation
            )
        } catch {
            guard [.notATar, .truncated, .checksum, .trailingGarbage].contains(error.code) else {
                throw error
            }
            return nil
        }
    }
}
