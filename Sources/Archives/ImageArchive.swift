public import Host
public import OCI

/// A tar file that holds images: a docker-archive (`docker save`), an OCI layout, or Docker's hybrid of both.
///
/// One pass over the headers makes an index of offsets; layers are read where they lie. Indexes, manifests and
/// configs are verified against their digests while opening. Images for other platforms, attestations and artifacts
/// that are no images are passed over, whether the archive has their blobs or not.
public final class ImageArchive: Sendable {
    /// What kind of archive it is.
    public enum Kind: String, Sendable, Codable {
        /// `manifest.json` of Docker's image specification 1.2.
        case dockerArchive
        /// `oci-layout` and `index.json` of the OCI image specification; also Docker's hybrid, where these count.
        case ociLayout
    }

    /// What kind of archive it is.
    public let kind: Kind
    /// The images for the platform, in the archive's order; at least one.
    public let images: [ArchivedImage]
    private let file: File

    private init(kind: Kind, images: [ArchivedImage], file: File) {
        self.kind = kind
        self.images = images
        self.file = file
    }

    /// Opens a regular file, whose position stays.
    ///
    /// - Parameters:
    ///   - name: Names the file in errors.
    ///   - platform: Which images are wanted.
    /// - Returns: nil for any other tar, which is then a root file system.
    /// - Throws: ``ArchiveError``; `unsupported` for an archive of images that is compressed as a whole, and for one
    ///   that has nothing for the platform.
    public static func open(
        _ file: File,
        name: String,
        platform: Platform = .host
    ) throws(ArchiveError) -> ImageArchive? {
        if try isCompressed(file, name) {
            guard try beginsLikeImages(file, name) else { return nil }
            throw ArchiveError(.unsupported, "\(name) is a compressed archive of images; decompress it first")
        }
        guard let members = try ArchiveMembers(file, name: name) else { return nil }
        let docker = try DockerManifest.read(members)
        if let index = try OCILayout.index(members) {
            var images = try OCILayout(members, platform).images(index)
            addReferences(of: docker ?? [], to: &images)
            return ImageArchive(kind: .ociLayout, images: images, file: file)
        }
        guard let docker else {
            guard members.beginsLikeImages else { return nil }
            throw ArchiveError(
                .invalid,
                "\(name) looks like an archive of images, but has neither a usable manifest.json nor an oci-layout with its "
                    + "index.json; save the image again"
            )
        }
        return ImageArchive(
            kind: .dockerArchive,
            images: try DockerArchive(members, platform).images(docker),
            file: file
        )
    }

    /// A layer's bytes as they are in the archive, possibly compressed.
    public func layerSource(_ layer: ArchivedLayer, cancellation: Cancellation? = nil) -> any ByteSource {
        FileRangeSource(file: file, offset: layer.offset, length: layer.size, cancellation: cancellation)
    }

    /// The hybrid's RepoTags, which its index may have only as bare tags.
    private static func addReferences(of docker: [DockerManifest], to images: inout [ArchivedImage]) {
        for index in images.indices {
            for manifest in docker where manifest.configDigest == images[index].configDigest {
                for tag in manifest.repoTags ?? [] where !images[index].references.contains(tag) {
                    // The same reference, which the index has with its registry.
                    if images[index].references.contains(where: { $0.hasSuffix("/\(tag)") }) { continue }
                    images[index].references.append(tag)
                }
            }
        }
    }

    private static func isCompressed(_ file: File, _ name: String) throws(ArchiveError) -> Bool {
        let source = DecompressingSource(FileRangeSource(file: file), name: name)
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1, alignment: 1)
        defer { buffer.deallocate() }
        _ = try source.read(into: buffer)
        return source.compression != Compression.none
    }

    /// Whether the first members have names that only archives of images have; no more than those is decompressed.
    private static func beginsLikeImages(_ file: File, _ name: String) throws(ArchiveError) -> Bool {
        let reader = TarReader(DecompressingSource(FileRangeSource(file: file), name: name), name: name)
        while let entry = try reader.next() {
            if let answer = ArchiveMembers.isOfImages(entry.path) { return answer }
        }
        return false
    }
}
