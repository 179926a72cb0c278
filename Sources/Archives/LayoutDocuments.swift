public import OCI

/// The documents of an archive of images: an OCI layout (image-spec, image-layout.md), and where its layers are tars,
/// Docker's `manifest.json` beside it for a `docker load` that knows no layouts.
///
/// They come first in the archive: whoever reads it from a pipe knows every layer when it comes.
public struct LayoutDocuments: Sendable {
    /// An image of the archive.
    public struct Image: Sendable {
        /// Its full references; none for an image without a name.
        public var references: [String]
        /// What it runs on.
        public var platform: Platform
        /// Its manifest.
        public var manifest: Manifest
        /// Its manifest's bytes.
        public var manifestBytes: [UInt8]

        /// Creates an image.
        public init(references: [String], platform: Platform, manifest: Manifest, manifestBytes: [UInt8]) {
            self.references = references
            self.platform = platform
            self.manifest = manifest
            self.manifestBytes = manifestBytes
        }
    }

    /// Name and bytes of each, in the archive's order.
    public let members: [(path: String, bytes: [UInt8])]

    /// Writes the documents.
    ///
    /// - Parameters:
    ///   - images: the images, each with its own manifest.
    ///   - configs: the bytes of their configs, each once.
    ///   - isForDocker: whether `docker load` could read the layers.
    public init(images: [Image], configs: [[UInt8]], isForDocker: Bool) {
        let version = CanonicalJSON.object(["imageLayoutVersion": .string("1.0.0")]).bytes
        var members: [(path: String, bytes: [UInt8])] = [
            ("oci-layout", version), ("index.json", Self.index(images).bytes),
        ]
        if isForDocker { members.append(("manifest.json", Self.docker(images).bytes)) }
        for bytes in images.map(\.manifestBytes) + configs {
            members.append((Self.blobPath(.sha256(of: bytes)), bytes))
        }
        self.members = members
    }

    /// Where a layout keeps a blob.
    public static func blobPath(_ digest: Digest) -> String { ArchiveMembers.blobPath(digest) }

    /// containerd takes the first annotation for the image's name, skopeo and podman the second, both in full.
    private static func index(_ images: [Image]) -> CanonicalJSON {
        let manifests = images.flatMap { image -> [CanonicalJSON] in
            var descriptor: [String: CanonicalJSON] = [
                "mediaType": .string(MediaType.ociManifest.rawValue),
                "digest": .string(Digest.sha256(of: image.manifestBytes).description),
                "size": .integer(Int64(image.manifestBytes.count)),
                "platform": platform(image.platform),
            ]
            guard !image.references.isEmpty else { return [.object(descriptor)] }
            return image.references.map { reference in
                descriptor["annotations"] = .object([
                    "io.containerd.image.name": .string(reference),
                    "org.opencontainers.image.ref.name": .string(reference),
                ])
                return .object(descriptor)
            }
        }
        return .object([
            "schemaVersion": .integer(2),
            "mediaType": .string(MediaType.ociIndex.rawValue),
            "manifests": .array(manifests),
        ])
    }

    private static func platform(_ platform: Platform) -> CanonicalJSON {
        var members: [String: CanonicalJSON] = [
            "os": .string(platform.os), "architecture": .string(platform.architecture),
        ]
        if let variant = platform.variant { members["variant"] = .string(variant) }
        return .object(members)
    }

    private static func docker(_ images: [Image]) -> CanonicalJSON {
        .array(
            images.map { image in
                .object([
                    "Config": .string(blobPath(image.manifest.config.digest)),
                    // Docker refuses a name by digest here.
                    "RepoTags": .array(image.references.filter { !$0.contains("@") }.map { .string($0) }),
                    "Layers": .array(image.manifest.layers.map { .string(blobPath($0.digest)) }),
                ])
            }
        )
    }
}

/// A member of an archive of images: a header of one block whatever its size, its bytes, zeros to the next block. All
/// owners and times are 0, so that the same images are the same archive.
public enum LayoutMember {
    /// Bytes of a header.
    public static let headerSize = TarHeader.size

    /// The header. A size of 8 GiB or more is written in base 256, as GNU tar does, and Go and libarchive read.
    public static func header(_ path: String, size: UInt64) -> [UInt8] {
        TarWriter.memberHeader(Array(path.utf8), size: size)
    }

    /// Zeros between bytes of a size and the next header.
    public static func padding(_ size: UInt64) -> Int { Int(TarContent.padding(size)) }

    /// Bytes that a member takes.
    public static func space(_ size: UInt64) -> UInt64 {
        UInt64(headerSize) + size + TarContent.padding(size)
    }

    /// What ends an archive.
    public static let end = [UInt8](repeating: 0, count: 2 * TarHeader.size)
}
