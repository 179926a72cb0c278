/// What stands under a digest or tag: one image's manifest, or an index of several.
public enum ManifestDocument: Hashable, Sendable {
    /// One image.
    case manifest(Manifest)
    /// One image per platform.
    case index(Index)

    /// Reads a document and tells by its content which it is.
    ///
    /// A document with the fields of both is refused, whatever type it claims: two readers could take it for two
    /// different images (CVE-2021-41190; image-spec, manifest.md, `mediaType`).
    public init(json: [UInt8]) throws(MalformedDocument) {
        let outline = try MalformedDocument.decode(Outline.self, kind: "image manifest", from: json)
        if outline.hasSchema1Fields || outline.mediaType?.isSchema1 == true || outline.schemaVersion == 1 {
            throw MalformedDocument(
                kind: "image manifest",
                problem: "Docker's schema 1 is not supported; push the image again with a current tool"
            )
        }
        let isIndex = outline.hasManifests
        let kind = isIndex ? "image index" : "image manifest"
        if isIndex && outline.hasImageFields {
            throw MalformedDocument(kind: kind, problem: "it has the fields of an index and of a manifest")
        }
        if let version = outline.schemaVersion, version != 2 {
            throw MalformedDocument(kind: kind, path: "schemaVersion", problem: "it is \(version), not 2")
        }
        if let type = outline.mediaType, isIndex ? !type.isIndex : !type.isManifest {
            throw MalformedDocument(
                kind: kind,
                path: "mediaType",
                problem: "'\(type)' is not the type of \(isIndex ? "an index" : "a manifest")"
            )
        }
        self =
            isIndex
            ? .index(try MalformedDocument.decode(Index.self, kind: kind, from: json))
            : .manifest(try MalformedDocument.decode(Manifest.self, kind: kind, from: json))
    }

    /// The fields that tell what a document is.
    private struct Outline: Decodable {
        let schemaVersion: Int?
        let mediaType: MediaType?
        let hasManifests: Bool
        let hasImageFields: Bool
        let hasSchema1Fields: Bool

        enum CodingKeys: String, CodingKey {
            case schemaVersion, mediaType, manifests, config, layers, fsLayers
        }

        init(from decoder: any Decoder) throws {
            let container = try decoder.container(keyedBy: CodingKeys.self)
            schemaVersion = try container.decodeIfPresent(Int.self, forKey: .schemaVersion)
            mediaType = try container.decodeIfPresent(MediaType.self, forKey: .mediaType)
            hasManifests = container.contains(.manifests)
            hasImageFields = container.contains(.config) || container.contains(.layers)
            hasSchema1Fields = container.contains(.fsLayers)
        }
    }
}
