import OCI

/// Reads the images of an OCI layout (image-spec, image-layout.md).
struct OCILayout {
    /// Bytes of an index or manifest.
    static let manifestLimit = 4 << 20
    /// Bytes of an image config.
    static let configLimit = 8 << 20
    /// Layers of an image.
    static let layerLimit = 500
    /// How deep indexes may lie in one another.
    private static let indexDepth = 4
    private let members: ArchiveMembers
    private let platform: Platform
    private let awaitsLayers: Bool

    /// - Parameter awaitsLayers: whether layers may be missing; where they lie is then not known.
    init(_ members: ArchiveMembers, _ platform: Platform, awaitsLayers: Bool = false) {
        self.members = members
        self.platform = platform
        self.awaitsLayers = awaitsLayers
    }

    /// The layout's index; nil when the archive is no layout.
    static func index(_ members: ArchiveMembers) throws(ArchiveError) -> Index? {
        guard try members.read("oci-layout", limit: 4096) != nil,
            let bytes = try members.read("index.json", limit: manifestLimit)
        else { return nil }
        for path in ["oci-layout", "index.json"] where members.repeated.contains(path) {
            throw ArchiveError(.invalid, "\(members.name): '\(path)' is there twice; save the image again")
        }
        do { return try Index(json: bytes) } catch { throw members.malformed("index.json", error) }
    }

    /// The images for the platform.
    func images(_ index: Index) throws(ArchiveError) -> [ArchivedImage] {
        try members.check(images: index.manifests.count, in: "index.json")
        var images: [ArchivedImage] = []
        var others: Set<String> = []
        for descriptor in index.manifests {
            guard let image = try image(descriptor, naming: descriptor, depth: 0, others: &others) else {
                continue
            }
            if let known = images.firstIndex(where: { $0.manifestDigest == image.manifestDigest }) {
                images[known].references += image.references.filter { !images[known].references.contains($0) }
            } else {
                images.append(image)
                try members.check(documentsOf: images)
            }
        }
        guard !images.isEmpty else { throw members.nothing(for: platform, but: others) }
        return images
    }

    /// The image that a descriptor leads to; nil when it is for another platform or no image.
    private func image(
        _ descriptor: Descriptor,
        naming: Descriptor,
        depth: Int,
        others: inout Set<String>
    ) throws(ArchiveError) -> ArchivedImage? {
        guard !descriptor.isAttestation else { return nil }
        if let offered = descriptor.platform, !platform.matches(offered) {
            others.insert(offered.description)
            return nil
        }
        guard descriptor.mediaType.isIndex || descriptor.mediaType.isManifest else { return nil }
        guard depth < Self.indexDepth else {
            throw ArchiveError(
                .limitExceeded,
                "\(members.name): indexes lie more than \(Self.indexDepth) deep in one another"
            )
        }
        let bytes = try blob(descriptor, limit: Self.manifestLimit)
        let document: ManifestDocument
        do { document = try ManifestDocument(json: bytes) } catch {
            throw members.malformed(ArchiveMembers.blobPath(descriptor.digest), error)
        }
        switch document {
        case .manifest(let manifest):
            return try image(manifest, bytes, descriptor.digest, naming, &others)
        case .index(let index):
            others.formUnion(index.platforms.filter { !platform.matches($0) }.map(\.description))
            let chosen =
                index.manifest(for: platform)
                ?? index.manifests.first { $0.platform == nil && !$0.isAttestation }
            guard let chosen else { return nil }
            return try image(chosen, naming: naming, depth: depth + 1, others: &others)
        }
    }

    private func image(
        _ manifest: Manifest,
        _ bytes: [UInt8],
        _ digest: Digest,
        _ naming: Descriptor,
        _ others: inout Set<String>
    ) throws(ArchiveError) -> ArchivedImage? {
        guard manifest.config.mediaType.isImageConfig else { return nil }
        let configBytes = try blob(manifest.config, limit: Self.configLimit)
        let config: ImageConfig
        do {
            config = try ImageConfig(json: configBytes)
            try config.checkLayers(of: manifest)
        } catch { throw members.malformed(ArchiveMembers.blobPath(manifest.config.digest), error) }
        if let offered = config.platform, !platform.matches(offered) {
            others.insert(offered.description)
            return nil
        }
        try members.check(layers: manifest.layers.count)
        var layers: [ArchivedLayer] = []
        for (descriptor, diffID) in zip(manifest.layers, config.diffIDs) {
            layers.append(try layer(descriptor, diffID))
        }
        let (references, tag) = Self.names(naming)
        return ArchivedImage(
            references: references,
            tag: tag,
            manifestBytes: bytes,
            manifestDigest: digest,
            configBytes: configBytes,
            configDigest: manifest.config.digest,
            config: config,
            layers: layers
        )
    }

    private func layer(_ descriptor: Descriptor, _ diffID: Digest) throws(ArchiveError) -> ArchivedLayer {
        let type = descriptor.mediaType
        guard type.isTarLayer || type.isErofsLayer, !type.isEncrypted else {
            throw ArchiveError(
                .unsupported,
                "\(members.name): layer \(descriptor.digest) is of the type '\(printable("\(type)".utf8))', which cannot be read"
            )
        }
        let path = ArchiveMembers.blobPath(descriptor.digest)
        let member = try members.file(path)
        guard member != nil || awaitsLayers else { throw members.missing(path) }
        if let member, member.size != descriptor.size {
            throw members.wrongSize(path, member.size, descriptor.size)
        }
        return ArchivedLayer(
            digest: descriptor.digest,
            diffID: diffID,
            mediaType: type,
            annotations: descriptor.annotations,
            path: path,
            offset: member?.offset ?? 0,
            size: descriptor.size
        )
    }

    private func blob(_ descriptor: Descriptor, limit: Int) throws(ArchiveError) -> [UInt8] {
        let path = ArchiveMembers.blobPath(descriptor.digest)
        guard let bytes = try members.readBlob(descriptor.digest, limit: limit) else {
            throw members.missing(path)
        }
        guard UInt64(bytes.count) == descriptor.size else {
            throw members.wrongSize(path, UInt64(bytes.count), descriptor.size)
        }
        return bytes
    }

    /// containerd's annotation is a full reference; OCI's may be one, or a bare tag.
    private static func names(_ descriptor: Descriptor) -> (references: [String], tag: String?) {
        let annotation = descriptor.annotations?["org.opencontainers.image.ref.name"] ?? ""
        if let reference = descriptor.annotations?["io.containerd.image.name"], !reference.isEmpty {
            return ([reference], nil)
        }
        if annotation.contains("/") || annotation.contains(":") { return ([annotation], nil) }
        return ([], annotation.isEmpty ? nil : annotation)
    }
}

extension ArchiveMembers {
    func malformed(_ path: String, _ error: MalformedDocument) -> ArchiveError {
        ArchiveError(.invalid, "\(name): '\(path)': \(printable("\(error)".utf8, limit: 512))")
    }

    func missing(_ path: String) -> ArchiveError {
        ArchiveError(.invalid, "\(name): '\(printable(path.utf8))' is missing; save the image again")
    }

    func wrongSize(_ path: String, _ size: UInt64, _ promised: UInt64) -> ArchiveError {
        ArchiveError(
            .invalid,
            "\(name): '\(path)' has \(size) bytes, not the \(promised) promised; save the image again"
        )
    }

    func check(images count: Int, in document: String) throws(ArchiveError) {
        guard count <= limits.images else {
            throw ArchiveError(
                .limitExceeded,
                "\(name): '\(document)' lists \(count) images; \(limits.images) are allowed (store.limits.archiveImages)"
            )
        }
    }

    /// What is kept of the images is bounded: they may all have one large config.
    func check(documentsOf images: [ArchivedImage]) throws(ArchiveError) {
        let bytes = images.reduce(0) { $0 + ($1.manifestBytes?.count ?? 0) + $1.configBytes.count }
        guard bytes <= Self.documentsLimit else { throw tooManyDocuments }
    }

    /// The error of more JSON documents than are kept.
    var tooManyDocuments: ArchiveError {
        ArchiveError(
            .limitExceeded,
            "\(name): the JSON documents of its images come to more than \(Self.documentsLimit >> 20) MiB"
        )
    }

    func check(layers count: Int) throws(ArchiveError) {
        guard count <= OCILayout.layerLimit else {
            throw ArchiveError(
                .limitExceeded,
                "\(name): an image of \(count) layers; \(OCILayout.layerLimit) are allowed"
            )
        }
    }

    func nothing(for platform: Platform, but others: Set<String>) -> ArchiveError {
        let found =
            others.isEmpty
            ? "" : ", only for \(others.sorted().map { printable($0.utf8) }.joined(separator: ", "))"
        return ArchiveError(.unsupported, "\(name) holds no image for \(platform)\(found)")
    }
}
