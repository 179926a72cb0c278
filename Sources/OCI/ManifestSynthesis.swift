extension Manifest {
    /// A manifest and its config, made for layers that came without one.
    public struct Synthesized: Hashable, Sendable {
        /// The manifest's bytes.
        public let manifestBytes: [UInt8]
        /// The manifest's digest: the image's identity.
        public let manifestDigest: Digest
        /// The config's bytes.
        public let configBytes: [UInt8]
        /// The config's digest.
        public let configDigest: Digest
    }

    /// The manifest of an image that is nothing but layers, bottom first: the same layers on the same platform give
    /// the same bytes on every host, for there is no time and no name in them.
    public static func synthesized(
        layers: [(digest: Digest, size: UInt64, diffID: Digest, mediaType: MediaType)],
        platform: Platform
    ) -> Synthesized {
        var config: [String: CanonicalJSON] = [
            "architecture": .string(platform.architecture),
            "config": .object([:]),
            "os": .string(platform.os),
            "rootfs": .object([
                "type": .string("layers"),
                "diff_ids": .array(layers.map { .string($0.diffID.description) }),
            ]),
        ]
        if let variant = platform.variant { config["variant"] = .string(variant) }
        return synthesized(layers: layers, configBytes: CanonicalJSON.object(config).bytes)
    }

    /// The manifest around a config that is there already, as a docker-archive has it: deterministic likewise.
    public static func synthesized(
        layers: [(digest: Digest, size: UInt64, diffID: Digest, mediaType: MediaType)],
        configBytes: [UInt8]
    ) -> Synthesized {
        let configDigest = Digest.sha256(of: configBytes)

        let manifest = CanonicalJSON.object([
            "schemaVersion": .integer(2),
            "mediaType": .string(MediaType.ociManifest.rawValue),
            "config": descriptor(.ociConfig, configDigest, UInt64(configBytes.count)),
            "layers": .array(layers.map { descriptor($0.mediaType, $0.digest, $0.size) }),
        ])
        let manifestBytes = manifest.bytes
        return Synthesized(
            manifestBytes: manifestBytes,
            manifestDigest: .sha256(of: manifestBytes),
            configBytes: configBytes,
            configDigest: configDigest
        )
    }

    private static func descriptor(_ mediaType: MediaType, _ digest: Digest, _ size: UInt64) -> CanonicalJSON
    {
        .object([
            "mediaType": .string(mediaType.rawValue),
            "digest": .string(digest.description),
            "size": .integer(Int64(clamping: size)),
        ])
    }
}
