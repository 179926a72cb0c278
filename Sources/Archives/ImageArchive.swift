public import Host
public import OCI
public import SystemPackage

/// A tar file that holds images: a docker-archive (`docker save`), an OCI layout, or Docker's hybrid of both; or an OCI
/// layout that is a folder.
///
/// One pass over the headers makes an index of offsets; layers are read where they lie. A file that is compressed as a
/// whole is decompressed once to make that index, and once more to read layers in the order in which they lie:
/// nothing is ever unpacked to a file. What comes through a pipe is an ``ArchiveStream``. Indexes, manifests and
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
    /// SHA-256 of a compressed archive's file, of a folder's `index.json`; nil of a plain tar, which is not read whole.
    public let digest: Digest?
    /// The open files of a folder's layers.
    public var files: [File] { Array(layerFiles.values) }
    /// Whether layers are read at least cost one by one, in the order of their offsets.
    public var isSequential: Bool { cursor != nil }

    private let file: File?
    private let cursor: ArchiveCursor?
    private let layerFiles: [String: File]

    private init(
        _ kind: Kind,
        _ images: [ArchivedImage],
        file: File? = nil,
        cursor: ArchiveCursor? = nil,
        layerFiles: [String: File] = [:],
        digest: Digest? = nil
    ) {
        self.kind = kind
        self.images = images
        self.file = file
        self.cursor = cursor
        self.layerFiles = layerFiles
        self.digest = digest
    }

    /// Opens a regular file, whose position stays.
    ///
    /// - Parameters:
    ///   - name: Names the file in errors.
    ///   - platform: Which images are wanted.
    ///   - limits: What the archive may hold.
    /// - Returns: nil for any other tar, which is then a root file system.
    /// - Throws: ``ArchiveError``; `unsupported` for an archive that has nothing for the platform.
    public static func open(
        _ file: File,
        name: String,
        platform: Platform = .host,
        limits: ArchiveLimits = ArchiveLimits(),
        cancellation: Cancellation? = nil
    ) throws(ArchiveError) -> ImageArchive? {
        if try isCompressed(file, name) {
            let start = FileRangeSource(file: file, cancellation: cancellation)
            guard try beginsLikeImages(start, name) else { return nil }
            let source = DigestingSource(FileRangeSource(file: file, cancellation: cancellation))
            let stream = ArchiveStream(source, name: name, limits: limits, platform: platform)
            while try stream.next() != nil {}
            guard let (kind, images) = try images(in: stream.members, platform) else { return nil }
            let cursor = ArchiveCursor(file: file, name: name)
            return ImageArchive(kind, images, cursor: cursor, digest: source.finish().digest)
        }
        let members = try ArchiveMembers(file, name: name, limits: limits, cancellation: cancellation)
        guard let members, let (kind, images) = try images(in: members, platform)
        else { return nil }
        return ImageArchive(kind, images, file: file)
    }

    /// Opens an OCI layout that is a folder. Its files are opened here, and none of them through a symbolic link.
    public static func open(
        layout folder: FilePath,
        platform: Platform = .host,
        limits: ArchiveLimits = ArchiveLimits()
    ) throws(ArchiveError) -> ImageArchive {
        let members = try ArchiveMembers(folder: folder, limits: limits)
        guard let index = try OCILayout.index(members) else {
            throw ArchiveError(
                .invalid,
                "\(folder) is no OCI layout: 'oci-layout' or 'index.json' is missing"
            )
        }
        let images = try OCILayout(members, platform).images(index)
        var files: [String: File] = [:]
        do throws(FileError) {
            for layer in images.lazy.flatMap(\.layers) where files[layer.path] == nil {
                files[layer.path] = try File.regular(folder.pushing(FilePath(layer.path)))
            }
        } catch { throw ArchiveError(error) }
        let document = try members.read("index.json", limit: OCILayout.manifestLimit) ?? []
        return ImageArchive(.ociLayout, images, layerFiles: files, digest: Digest.sha256(of: document))
    }

    static func images(
        in members: ArchiveMembers,
        _ platform: Platform
    ) throws(ArchiveError) -> (Kind, [ArchivedImage])? {
        let docker = try DockerManifest.read(members)
        if let index = try OCILayout.index(members) {
            var images = try OCILayout(members, platform).images(index)
            if let docker { try DockerManifest.checkTags(of: docker, in: members) }
            addReferences(of: docker ?? [], to: &images)
            return (.ociLayout, images)
        }
        guard let docker else {
            guard members.beginsLikeImages else { return nil }
            throw ArchiveError(
                .invalid,
                "\(members.name) looks like an archive of images, but has neither a usable manifest.json nor an "
                    + "oci-layout with its index.json; save the image again"
            )
        }
        return (.dockerArchive, try DockerArchive(members, platform).images(docker))
    }

    /// A layer's bytes as they are in the archive, possibly compressed.
    public func layerSource(_ layer: ArchivedLayer, cancellation: Cancellation? = nil) -> any ByteSource {
        if let cursor { return ArchiveCursor.MemberSource(cursor, layer, cancellation: cancellation) }
        if let file = file {
            return FileRangeSource(
                file: file,
                offset: layer.offset,
                length: layer.size,
                cancellation: cancellation
            )
        }
        guard let file = layerFiles[layer.path] else { return MemorySource([]) }
        return FileRangeSource(file: file, cancellation: cancellation)
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

    /// Members whose names may be anybody's, after which the next would tell no more.
    private static let ambiguousLimit = 100

    /// Whether the first members have names that only archives of images have, or one of them is the list of a
    /// docker-archive; no more than those is decompressed.
    static func beginsLikeImages(_ source: any ByteSource, _ name: String) throws(ArchiveError) -> Bool {
        let reader = TarReader(DecompressingSource(source, name: name), name: name)
        for _ in 0..<ambiguousLimit {
            guard let entry = try reader.next() else { return false }
            if let answer = ArchiveMembers.isOfImages(entry.path) { return answer }
            // It has a document's name, but no document is as large.
            guard entry.size <= OCILayout.manifestLimit else { return false }
            guard ArchiveMembers.normalized(entry.path, in: []) == "manifest.json" else { continue }
            var document: [UInt8] = []
            while case .data(let piece)? = try reader.nextPiece() { document += piece }
            if isDockerManifest(document) { return true }
        }
        return false
    }

    /// Whether a document is the list of a docker-archive's images, `manifest.json`.
    public static func isDockerManifest(_ bytes: [UInt8]) -> Bool { DockerManifest.list(bytes) != nil }
}
