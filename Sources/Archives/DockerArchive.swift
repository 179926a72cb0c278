import Foundation
import OCI

/// One image of a docker-archive's `manifest.json` (moby, image/spec/spec.md, version 1.2).
struct DockerManifest: Decodable {
    /// The config's name in the archive.
    let config: String
    /// References; null for an image without any.
    let repoTags: [String]?
    /// The layers' names in the archive, bottom first.
    let layers: [String]

    enum CodingKeys: String, CodingKey {
        case config = "Config"
        case repoTags = "RepoTags"
        case layers = "Layers"
    }

    /// The digest that the config's name says: `ID.json`, `blobs/sha256/ID`, `sha256:ID`.
    var configDigest: Digest? { Self.digest(inName: config) }

    /// The images of an archive; nil when it has no `manifest.json`, or one of something else, such as a web
    /// application's at the root of a file system.
    static func read(_ members: ArchiveMembers) throws(ArchiveError) -> [DockerManifest]? {
        guard let member = members.members["manifest.json"], member.size <= OCILayout.manifestLimit,
            let bytes = try members.read("manifest.json", limit: OCILayout.manifestLimit),
            let manifests = list(bytes)
        else { return nil }
        guard !members.repeated.contains("manifest.json") else {
            throw ArchiveError(
                .invalid,
                "\(members.name): 'manifest.json' is there twice; save the image again"
            )
        }
        return manifests
    }

    /// Tags that all images of an archive may have.
    private static let tagLimit = 10_000

    /// Refuses more tags than anyone gives: each is compared with the others.
    static func checkTags(of manifests: [DockerManifest], in members: ArchiveMembers) throws(ArchiveError) {
        let count = manifests.reduce(0) { $0 + ($1.repoTags?.count ?? 0) }
        guard count <= tagLimit else {
            throw ArchiveError(
                .limitExceeded,
                "\(members.name): 'manifest.json' has \(count) tags; \(tagLimit) are allowed"
            )
        }
    }

    /// The images of such a document; nil for any other.
    static func list(_ bytes: [UInt8]) -> [DockerManifest]? {
        guard let manifests = try? JSONDecoder().decode([DockerManifest].self, from: Data(bytes)) else {
            return nil
        }
        return manifests.isEmpty ? nil : manifests
    }

    static func digest(inName name: String) -> Digest? {
        let last = name.split(separator: "/").last ?? ""
        return Digest(hex: last.hasPrefix("sha256:") ? last.dropFirst(7) : last.prefix { $0 != "." })
    }
}

/// Reads the images of a docker-archive.
struct DockerArchive {
    private let members: ArchiveMembers
    private let platform: Platform

    init(_ members: ArchiveMembers, _ platform: Platform) {
        self.members = members
        self.platform = platform
    }

    /// The images for the platform.
    func images(_ manifests: [DockerManifest]) throws(ArchiveError) -> [ArchivedImage] {
        try members.check(images: manifests.count, in: "manifest.json")
        try DockerManifest.checkTags(of: manifests, in: members)
        var images: [ArchivedImage] = []
        var others: Set<String> = []
        for manifest in manifests {
            guard let image = try image(manifest, &others) else { continue }
            if let known = images.firstIndex(where: { $0.configDigest == image.configDigest }) {
                images[known].references += image.references.filter { !images[known].references.contains($0) }
            } else {
                images.append(image)
                try members.check(documentsOf: images)
            }
        }
        guard !images.isEmpty else { throw members.nothing(for: platform, but: others) }
        return images
    }

    private func image(_ manifest: DockerManifest, _ others: inout Set<String>) throws(ArchiveError)
        -> ArchivedImage?
    {
        guard let bytes = try members.read(manifest.config, limit: OCILayout.configLimit) else {
            throw members.missing(manifest.config)
        }
        let digest = Digest.sha256(of: bytes)
        guard manifest.configDigest == nil || manifest.configDigest == digest else {
            throw ArchiveError(
                .checksum,
                "\(members.name): '\(printable(manifest.config.utf8))' has another digest; save the image again"
            )
        }
        let config: ImageConfig
        do { config = try ImageConfig(json: bytes) } catch { throw members.malformed(manifest.config, error) }
        if let offered = config.platform, !platform.matches(offered) {
            others.insert(offered.description)
            return nil
        }
        try members.check(layers: manifest.layers.count)
        guard manifest.layers.count == config.diffIDs.count else {
            throw ArchiveError(
                .invalid,
                "\(members.name): manifest.json lists \(manifest.layers.count) layers, the config \(config.diffIDs.count); "
                    + "save the image again"
            )
        }
        var layers: [ArchivedLayer] = []
        for (path, diffID) in zip(manifest.layers, config.diffIDs) {
            guard let member = try members.file(path) else { throw members.missing(path) }
            layers.append(
                ArchivedLayer(
                    digest: ArchivedLayer.digest(inPath: path),
                    diffID: diffID,
                    mediaType: nil,
                    annotations: nil,
                    path: path,
                    offset: member.offset,
                    size: member.size
                )
            )
        }
        return ArchivedImage(
            references: manifest.repoTags ?? [],
            tag: nil,
            manifestBytes: nil,
            manifestDigest: nil,
            configBytes: bytes,
            configDigest: digest,
            config: config,
            layers: layers
        )
    }
}
