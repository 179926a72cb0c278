import Archives
import OCI
import Store

/// What an archive is going to hold: images, their configs and the blobs of their layers, each once.
struct SavePlan: Sendable {
    /// An image.
    struct Image: Sendable {
        var record: ImageRecord
        var platform: Platform
        var references: [String]
        /// Its place in ``SavePlan/configs``.
        var config: Int
        /// The places of its layers in ``SavePlan/blobs``, bottom first.
        var layers: [Int]
        /// What its manifest notes of each layer.
        var layerAnnotations: [[String: String]?]
        var annotations: [String: String]?
    }

    /// A config, and the layers that its diffIDs are of.
    struct Config: Sendable {
        var bytes: [UInt8]
        var layers: [Int]
    }

    /// A layer as it is in the archive.
    struct Layer: Sendable {
        var diffID: Digest
        var digest: Digest
        var size: UInt64
    }

    private(set) var images: [Image] = []
    private(set) var configs: [Config] = []
    private(set) var blobs: [BlobRecord] = []
    let form: SaveRequest.Form

    init(_ form: SaveRequest.Form) { self.form = form }

    /// Adds an image under references. One that is there already gets those that it has not.
    ///
    /// - Parameter layers: its blobs, bottom first.
    /// - Throws: ``ImageError`` where its documents cannot be read.
    mutating func add(_ record: ImageRecord, _ layers: [BlobRecord], references: [String]) throws(ImageError)
    {
        let manifest: Manifest
        let platform: Platform
        do {
            manifest = try Manifest(json: Array(record.manifest.utf8))
            platform = try ImageConfig(json: Array(record.config.utf8)).platform ?? .host
        } catch { throw ImageError(.invalidManifest, "\(record.digest): \(error)") }
        let places = layers.map { place(of: $0) }
        let config = place(of: Config(bytes: Array(record.config.utf8), layers: places))
        // Images that differ only in how their layers were compressed are the same one in the archive.
        if let known = images.firstIndex(where: {
            $0.config == config && $0.annotations == manifest.annotations
        }) {
            images[known].references += references.filter { !images[known].references.contains($0) }
            return
        }
        images.append(
            Image(
                record: record,
                platform: platform,
                references: references,
                config: config,
                layers: places,
                layerAnnotations: zip(layers, manifest.layers).map { annotations(of: $0, described: $1) },
                annotations: manifest.annotations
            )
        )
    }

    private mutating func place(of blob: BlobRecord) -> Int {
        if let place = blobs.firstIndex(where: { $0.key == blob.key }) { return place }
        blobs.append(blob)
        return blobs.count - 1
    }

    private mutating func place(of config: Config) -> Int {
        let same = configs.firstIndex { $0.bytes == config.bytes && $0.layers == config.layers }
        if let same { return same }
        configs.append(config)
        return configs.count - 1
    }

    /// What another host has to know of a native layer and does not find in its image. A native layer that is handed on
    /// keeps what it came with.
    private func annotations(of blob: BlobRecord, described descriptor: Descriptor) -> [String: String]? {
        guard form == .native else { return nil }
        var annotations: [String: String] = [:]
        annotations[NativeAnnotation.diffID] =
            blob.key.isNative
            ? descriptor.annotations?[NativeAnnotation.diffID] : blob.key.diffID.description
        if blob.hasOpaqueRoot { annotations[NativeAnnotation.opaqueRoot] = "true" }
        return annotations.isEmpty ? nil : annotations
    }

    /// The media type of the archive's layers.
    var mediaType: MediaType {
        switch form {
        case .native: .erofsLayer
        case .tar(.none): .ociLayer
        case .tar(.gzip): .ociLayerGzip
        case .tar(.zstd): .ociLayerZstd
        }
    }

    /// The archive's documents for layers as they turned out to be. They have as many bytes whatever the digests and sizes
    /// are, unless the layers are native.
    func documents(_ layers: [Layer]) throws(ImageError) -> (documents: LayoutDocuments, manifests: [Digest])
    {
        var configBytes: [[UInt8]] = []
        for config in configs {
            do {
                configBytes.append(
                    try ImageConfig.replacingDiffIDs(
                        in: config.bytes,
                        with: config.layers.map { layers[$0].diffID }
                    )
                )
            } catch { throw ImageError(.unsupported, "\(error)") }
        }
        let images = images.map { image in
            let manifest = Manifest(
                config: Descriptor(
                    mediaType: .ociConfig,
                    digest: .sha256(of: configBytes[image.config]),
                    size: UInt64(configBytes[image.config].count)
                ),
                layers: zip(image.layers, image.layerAnnotations).map { place, annotations in
                    Descriptor(
                        mediaType: mediaType,
                        digest: layers[place].digest,
                        size: layers[place].size,
                        annotations: annotations
                    )
                },
                annotations: image.annotations
            )
            return LayoutDocuments.Image(
                references: image.references,
                platform: image.platform,
                manifest: manifest,
                manifestBytes: manifest.canonicalBytes(isAligned: form != .native)
            )
        }
        let documents = LayoutDocuments(images: images, configs: configBytes, isForDocker: form != .native)
        return (documents, images.map { .sha256(of: $0.manifestBytes) })
    }
}
