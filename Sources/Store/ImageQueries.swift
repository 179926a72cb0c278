import GRDB
import OCI

/// A condition on a column that holds image digests: all, or those in a list of any length.
struct ImageSelection {
    private let digests: [Digest]?

    static let all = ImageSelection(digests: nil)
    static func some(_ digests: [Digest]) -> ImageSelection { ImageSelection(digests: digests) }

    func condition(on column: String) -> String {
        digests == nil ? "true" : "\(column) IN (SELECT value FROM json_each(:images))"
    }

    var arguments: StatementArguments {
        get throws {
            guard let digests else { return [] }
            return ["images": try JSON.text(digests.map(\.hex))]
        }
    }
}

extension StoredImage {
    /// The images of a selection, sorted by digest, by one query per table.
    static func fetch(_ db: Database, _ digests: [Digest]) throws -> [StoredImage] {
        try fetch(db, .some(digests))
    }

    static func fetch(_ db: Database, _ selection: ImageSelection) throws -> [StoredImage] {
        let indexes = try ImageRelations.grouped(db, selection, ImageRelations.indexDigests) {
            try $0.digest("alias")
        }
        let references = try ImageRelations.references(db, selection)
        let pins = try ImageRelations.pins(db, selection)
        let vms = try ImageRelations.boundVMs(db, selection)
        var layers: [String: [ImageRecord.Layer]] = [:]
        var sizes: [String: [LayerKey: UInt64]] = [:]
        for row in try ImageRelations.rows(db, selection, ImageRelations.layers) {
            let (image, key) = (try row.text("image"), try row.layerKey("key"))
            layers[image, default: []].append(
                ImageRecord.Layer(key: key, digest: try row.digest("digest"), size: try row.bytes("size"))
            )
            sizes[image, default: [:]][key] = try row.bytes("disk_size")
        }
        let images = try Row.fetchAll(
            db,
            sql: "SELECT * FROM images WHERE \(selection.condition(on: "digest")) ORDER BY digest",
            arguments: try selection.arguments
        )
        return try images.map { row in
            let hex = try row.text("digest")
            let record = ImageRecord(
                digest: try row.digest("digest"),
                manifest: try row.text("manifest"),
                configDigest: try row.digest("config_digest"),
                config: try row.text("config"),
                indexDigests: indexes[hex] ?? [],
                platform: try row.text("platform"),
                layers: layers[hex] ?? [],
                created: try row.optionalText("created")
            )
            return StoredImage(
                record: record,
                references: references[hex] ?? [],
                pins: pins[hex] ?? [],
                boundVMs: vms[hex] ?? [],
                unpinnedAt: try row.optionalTime("unpinned_at"),
                size: sizes[hex]?.values.reduce(0, +) ?? 0
            )
        }
    }
}

/// What refers to images, grouped by the image's hex digits.
enum ImageRelations {
    static let indexDigests = """
        SELECT image, alias FROM image_aliases WHERE kind = 'index' AND {image} ORDER BY rowid
        """
    static let layers = """
        SELECT image, image_layers.key, digest, image_layers.size, blobs.size + boot_size AS disk_size
        FROM image_layers JOIN blobs ON blobs.key = image_layers.key WHERE {image} ORDER BY image, position
        """

    /// References whose winning claim is on the image, sorted.
    static func references(_ db: Database, _ selection: ImageSelection) throws -> [String: [String]] {
        try grouped(
            db,
            selection,
            """
            SELECT image, reference FROM claims WHERE {image} AND NOT EXISTS (
                SELECT 1 FROM claims AS other WHERE other.reference = claims.reference
                AND (other.rank < claims.rank OR other.rank = claims.rank AND other.sequence > claims.sequence))
            ORDER BY reference
            """
        ) { try $0.text("reference") }
    }

    static func pins(_ db: Database, _ selection: ImageSelection) throws -> [String: [Source]] {
        try grouped(db, selection, "SELECT image, source FROM pins WHERE {image} ORDER BY source") {
            try $0.source("source")
        }
    }

    static func boundVMs(_ db: Database, _ selection: ImageSelection) throws -> [String: [String]] {
        try grouped(db, selection, "SELECT image, name FROM vms WHERE {image} ORDER BY name") {
            try $0.text("name")
        }
    }

    static func layerKeys(_ db: Database, _ selection: ImageSelection) throws -> [String: [LayerKey]] {
        try grouped(
            db,
            selection,
            "SELECT image, key FROM image_layers WHERE {image} ORDER BY image, position"
        ) {
            try $0.layerKey("key")
        }
    }

    static func rows(_ db: Database, _ selection: ImageSelection, _ sql: String) throws -> [Row] {
        try Row.fetchAll(
            db,
            sql: sql.replacing("{image}", with: selection.condition(on: "image")),
            arguments: try selection.arguments
        )
    }

    static func grouped<Value>(
        _ db: Database,
        _ selection: ImageSelection,
        _ sql: String,
        _ value: (Row) throws -> Value
    ) throws -> [String: [Value]] {
        var result: [String: [Value]] = [:]
        for row in try rows(db, selection, sql) {
            result[try row.text("image"), default: []].append(try value(row))
        }
        return result
    }
}
