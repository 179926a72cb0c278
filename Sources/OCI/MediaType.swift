/// The media type of a document or blob (image-spec, media-types.md; Docker's image manifest version 2, schema 2).
public struct MediaType: RawRepresentable, Hashable, Sendable, Codable, CustomStringConvertible {
    /// The type as it is written, without parameters.
    public let rawValue: String

    /// Takes a type as it is written; parameters such as `; charset=utf-8` are dropped.
    public init(rawValue: String) {
        let type = rawValue.prefix { $0 != ";" }
        self.rawValue =
            type.contains(where: \.isWhitespace) ? String(type.filter { !$0.isWhitespace }) : String(type)
    }

    /// The written type.
    public var description: String { rawValue }

    private init(_ rawValue: String) { self.rawValue = rawValue }

    /// Decodes the written type.
    public init(from decoder: any Decoder) throws {
        self.init(rawValue: try decoder.singleValueContainer().decode(String.self))
    }

    /// Encodes the written type.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(rawValue)
    }
}

extension MediaType {
    /// OCI's list of manifests, one per platform.
    public static let ociIndex = MediaType("application/vnd.oci.image.index.v1+json")
    /// OCI's manifest of one image.
    public static let ociManifest = MediaType("application/vnd.oci.image.manifest.v1+json")
    /// OCI's image configuration.
    public static let ociConfig = MediaType("application/vnd.oci.image.config.v1+json")
    /// An uncompressed layer.
    public static let ociLayer = MediaType("application/vnd.oci.image.layer.v1.tar")
    /// A layer compressed by gzip.
    public static let ociLayerGzip = MediaType("application/vnd.oci.image.layer.v1.tar+gzip")
    /// A layer compressed by Zstandard.
    public static let ociLayerZstd = MediaType("application/vnd.oci.image.layer.v1.tar+zstd")
    /// Docker's list of manifests, one per platform.
    public static let dockerIndex = MediaType("application/vnd.docker.distribution.manifest.list.v2+json")
    /// Docker's manifest, schema 2.
    public static let dockerManifest = MediaType("application/vnd.docker.distribution.manifest.v2+json")
    /// Docker's manifest, schema 1, which is refused.
    public static let dockerManifestSchema1 = MediaType(
        "application/vnd.docker.distribution.manifest.v1+json"
    )
    /// Docker's signed manifest, schema 1, which is refused.
    public static let dockerSignedManifestSchema1 = MediaType(
        "application/vnd.docker.distribution.manifest.v1+prettyjws"
    )
    /// Docker's image configuration.
    public static let dockerConfig = MediaType("application/vnd.docker.container.image.v1+json")
    /// Docker's uncompressed layer.
    public static let dockerLayer = MediaType("application/vnd.docker.image.rootfs.diff.tar")
    /// Docker's layer compressed by gzip.
    public static let dockerLayerGzip = MediaType("application/vnd.docker.image.rootfs.diff.tar.gzip")
    /// Docker's layer compressed by Zstandard.
    public static let dockerLayerZstd = MediaType("application/vnd.docker.image.rootfs.diff.tar.zstd")
    /// Docker's layer that is fetched from where its `urls` point.
    public static let dockerForeignLayerGzip = MediaType(
        "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"
    )
    /// A layer that is an EROFS image already.
    public static let erofsLayer = MediaType("application/vnd.erofs.layer.v1")
    /// A layer that is an EROFS image compressed by Zstandard for the transfer.
    public static let erofsLayerZstd = MediaType("application/vnd.erofs.layer.v1+zstd")
}

extension MediaType {
    /// How a layer's bytes are compressed.
    public enum Compression: Sendable, Hashable {
        /// Not at all.
        case none
        /// gzip (RFC 1952).
        case gzip
        /// Zstandard (RFC 8878).
        case zstd
    }

    /// Whether it is a list of manifests.
    public var isIndex: Bool { self == .ociIndex || self == .dockerIndex }
    /// Whether it is an image's manifest.
    public var isManifest: Bool { self == .ociManifest || self == .dockerManifest }
    /// Whether it is a manifest of Docker's schema 1.
    public var isSchema1: Bool { self == .dockerManifestSchema1 || self == .dockerSignedManifestSchema1 }
    /// Whether it is an image configuration.
    public var isImageConfig: Bool { self == .ociConfig || self == .dockerConfig }

    /// Whether it is a tar layer, however it is compressed and whether or not it may be handed on.
    public var isTarLayer: Bool {
        Self.layerPrefixes.contains {
            rawValue == $0 || rawValue.hasPrefix("\($0)+") || rawValue.hasPrefix("\($0).")
        }
    }
    /// Whether it is a layer that is an EROFS image.
    public var isErofsLayer: Bool { self == .erofsLayer || self == .erofsLayerZstd }
    /// Whether the layer's publisher forbids handing it on: it is fetched from its `urls`.
    public var isNonDistributable: Bool {
        isTarLayer && (rawValue.contains(".nondistributable.") || rawValue.contains(".foreign."))
    }
    /// Whether the layer is encrypted (ocicrypt's suffix).
    public var isEncrypted: Bool { rawValue.hasSuffix("+encrypted") }

    /// How a layer is compressed; nil for what is no layer and for a compression nobody here knows.
    public var compression: Compression? {
        guard isTarLayer || isErofsLayer else { return nil }
        let name = isEncrypted ? String(rawValue.dropLast("+encrypted".count)) : rawValue
        if name.hasSuffix("+gzip") || name.hasSuffix(".gzip") { return .gzip }
        if name.hasSuffix("+zstd") || name.hasSuffix(".zstd") { return .zstd }
        return Self.layerPrefixes.contains(name) || name == Self.erofsLayer.rawValue ? Compression.none : nil
    }

    private static let layerPrefixes = [
        "application/vnd.oci.image.layer.v1.tar",
        "application/vnd.oci.image.layer.nondistributable.v1.tar",
        "application/vnd.docker.image.rootfs.diff.tar",
        "application/vnd.docker.image.rootfs.foreign.diff.tar",
    ]
}
