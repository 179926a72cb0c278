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

    /// The manifest in one spelling only: its config, layers and annotations.
    ///
    /// - Parameter isAligned: whether the layers' sizes are written with spaces before them, so that the manifest is as
    ///   long whatever they are.
    public func canonicalBytes(isAligned: Bool) -> [UInt8] {
        // More digits than the size of any file has.
        let width = 20
        func json(_ descriptor: Descriptor, isAligned: Bool) -> CanonicalJSON {
            let size = Int64(clamping: descriptor.size)
            var members: [String: CanonicalJSON] = [
                "mediaType": .string(descriptor.mediaType.rawValue),
                "digest": .string(descriptor.digest.description),
                "size": isAligned ? .alignedInteger(size, width: width) : .integer(size),
            ]
            members["annotations"] = descriptor.annotations.map(json)
            return .object(members)
        }
        func json(_ annotations: [String: String]) -> CanonicalJSON {
            .object(annotations.mapValues { .string($0) })
        }
        var members: [String: CanonicalJSON] = [
            "schemaVersion": .integer(2),
            "mediaType": .string(MediaType.ociManifest.rawValue),
            "config": json(config, isAligned: false),
            "layers": .array(layers.map { json($0, isAligned: isAligned) }),
        ]
        members["annotations"] = annotations.map(json)
        return CanonicalJSON.object(members).bytes
    }
}
