import Foundation
import Host
public import OCI
public import SystemPackage

/// An OCI layout of images that are made to be pulled (image-spec, image-layout.md).
public final class TestLayout: Sendable {
    /// A layer to be written.
    public struct Layer: Sendable {
        /// The bytes that are fetched.
        public var bytes: [UInt8]
        /// The digest of the tar in them.
        public var diffID: Digest
        /// What the manifest says of them.
        public var mediaType: MediaType
        /// Where else they are, as the manifest says.
        public var urls: [String]?

        /// A layer as it is.
        public init(bytes: [UInt8], diffID: Digest, mediaType: MediaType, urls: [String]? = nil) {
            self.bytes = bytes
            self.diffID = diffID
            self.mediaType = mediaType
            self.urls = urls
        }

        /// An uncompressed tar.
        public static func plain(_ tar: [UInt8]) -> Layer {
            Layer(bytes: tar, diffID: .sha256(of: tar), mediaType: .ociLayer)
        }

        /// A tar compressed by gzip(1).
        public static func gzip(_ tar: [UInt8]) async throws -> Layer {
            Layer(
                bytes: try await compressed(tar, "gzip", ["-nc"]),
                diffID: .sha256(of: tar),
                mediaType: .ociLayerGzip
            )
        }

        /// A tar compressed by zstd(1).
        public static func zstd(_ tar: [UInt8]) async throws -> Layer {
            Layer(
                bytes: try await compressed(tar, "zstd", ["-qc"]),
                diffID: .sha256(of: tar),
                mediaType: .ociLayerZstd
            )
        }

        private static func compressed(_ tar: [UInt8], _ program: String, _ arguments: [String]) async throws
            -> [UInt8]
        {
            let folder = try TemporaryDirectory("layer")
            let input = try folder.write(tar, to: "tar")
            let output = folder.appending("out")
            try await check("sh", ["-c", "exec \"$0\" \"$@\" >'\(output)' <'\(input)'", program] + arguments)
            return try AtomicFile.read(output) ?? []
        }
    }

    private let folder: TemporaryDirectory

    /// Where it lies.
    public var path: FilePath { folder.path }

    /// An empty layout.
    public init() throws {
        folder = try TemporaryDirectory("layout")
        try folder.write(#"{"imageLayoutVersion":"1.0.0"}"#, to: "oci-layout")
        try write(Index(manifests: []))
    }

    /// Writes a blob and says what it is.
    @discardableResult
    public func blob(_ bytes: [UInt8], _ mediaType: MediaType) throws -> Descriptor {
        let digest = Digest.sha256(of: bytes)
        let name = "blobs/sha256/\(digest.hex)"
        if try FileStatus.of(folder.appending(name)) == nil { try folder.write(bytes, to: name) }
        return Descriptor(mediaType: mediaType, digest: digest, size: UInt64(bytes.count))
    }

    /// Writes an image and returns its manifest's descriptor.
    public func image(
        _ layers: [Layer],
        platform: Platform = .host,
        mediaType: MediaType = .ociManifest,
        configType: MediaType = .ociConfig,
        diffIDs: [Digest]? = nil,
        tag: String? = nil
    ) throws -> Descriptor {
        var config = [
            "os": platform.os as Any, "architecture": platform.architecture,
            "config": ["Cmd": ["/bin/true"]],
            "rootfs": ["type": "layers", "diff_ids": (diffIDs ?? layers.map(\.diffID)).map(\.description)],
        ]
        config["variant"] = platform.variant
        let configBytes = try JSONSerialization.data(withJSONObject: config, options: [.sortedKeys])
        let manifest = Manifest(
            mediaType: mediaType,
            config: try blob(Array(configBytes), configType),
            layers: try layers.map { layer in
                var descriptor = try blob(layer.bytes, layer.mediaType)
                descriptor.urls = layer.urls
                return descriptor
            }
        )
        var descriptor = try blob(try Self.json(manifest), mediaType)
        descriptor.platform = platform
        if let tag { try self.tag(descriptor, tag) }
        return descriptor
    }

    /// Writes an index of manifests and tags it.
    public func index(_ manifests: [Descriptor], mediaType: MediaType = .ociIndex, tag: String? = nil) throws
        -> Descriptor
    {
        let descriptor = try blob(
            try Self.json(Index(mediaType: mediaType, manifests: manifests)),
            mediaType
        )
        if let tag { try self.tag(descriptor, tag) }
        return descriptor
    }

    /// Gives a manifest or index a name.
    public func tag(_ descriptor: Descriptor, _ tag: String) throws {
        var index = try Index(json: try AtomicFile.read(folder.appending("index.json")) ?? [])
        var named = descriptor
        named.annotations = ["org.opencontainers.image.ref.name": tag]
        index.manifests.removeAll { $0.annotations == named.annotations }
        index.manifests.append(named)
        try write(index)
    }

    private func write(_ index: Index) throws { try folder.write(try Self.json(index), to: "index.json") }

    private static func json(_ value: some Encodable) throws -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return Array(try encoder.encode(value))
    }
}

/// A tar of one file with bytes that no compressor makes smaller; the same for the same seed.
public func noisyTar(_ size: Int, seed: UInt64 = 1, path: String = "data") -> [UInt8] {
    var state = seed &* 0x9E37_79B9_7F4A_7C15 | 1
    var content = [UInt8](repeating: 0, count: size)
    for index in content.indices {
        // xorshift64*, of which the upper bits are good.
        state ^= state >> 12
        state ^= state << 25
        state ^= state >> 27
        content[index] = UInt8(truncatingIfNeeded: (state &* 0x2545_F491_4F6C_DD1D) >> 56)
    }
    var tar = TarBuilder()
    tar.add(path, content: content)
    return tar.finish()
}
