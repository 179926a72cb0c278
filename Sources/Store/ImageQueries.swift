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
        let references = try ImageRelations.references(db, selection)
        let pins = try ImageRelations.pins(db, selection)
        let vms = try ImageRelations.boundVMs(db, selection)
        let sizes = try ImageRelations.sizes(db, selection)
        return try ImageRecord.fetch(db, selection).map { record, unpinnedAt in
            let hex = record.digest.hex
            return StoredImage(
                record: record,
                references: references[hex] ?? [],
                pins: pins[hex] ?? [],
                boundVMs: vms[hex] ?? [],
                unpinnedAt: unpinnedAt,
                size: sizes[hex] ?? 0
            )
        }
    }
}

extension ImageRecord {
    /// The images of a selection without what refers to them, sorted by digest, and when their last pins went.
    static func fetch(
        _ db: Database,
        _ selection: ImageSelection
    ) throws -> [(record: ImageRecord, unpinnedAt: StoreTime?)] {
        let indexes = try ImageRelations.grouped(db, selection, ImageRelations.indexDigests) {
            try $0.digest("alias")
        }
        let layers = try ImageRelations.grouped(db, selection, ImageRelations.layers) {
            Layer(
                key: try $0.layerKey("key"),
                digest: try $0.digest("digest"),
                size: try $0.bytes("size")
            )
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
            return (record, try row.optionalTime("unpinned_at"))
        }
    }
}

/// What refers to images, grouped by the image's hex digits.
enum ImageRelations {
    static let indexDigests = """
        SELECT image, alias FROM image_aliases WHERE kind = 'index' AND {image} ORDER BY rowid
        """
    static let layers =
        "SELECT image, key, digest, size FROM image_layers WHERE {image} ORDER BY image, position"

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

    /// Bytes of all blobs and boot files of each image, a repeated layer counted once.
    static func sizes(_ db: Database, _ selection: ImageSelection) throws -> [String: UInt64] {
        let sql = """
            SELECT image, sum(size + boot_size) AS bytes
            FROM (SELECT DISTINCT image, key FROM image_layers WHERE {image}) JOIN blobs USING (key) GROUP BY image
            """
        var sizes: [String: UInt64] = [:]
        for row in try rows(db, selection, sql) { sizes[try row.text("image")] = try row.bytes("bytes") }
        return sizes
    }

    private static func rows(_ db: Database, _ selection: ImageSelection, _ sql: String) throws -> [Row] {
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
