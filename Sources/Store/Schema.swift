import GRDB
import SystemPackage

/// The tables of the index, and how an older index becomes today's.
///
/// Digests are 64 hex digits, keys their written form, times nanoseconds on the store's clock. The foreign keys
/// restrict rather than cascade wherever a mistake would lose something that a root still needs.
enum Schema {
    /// What `PRAGMA application_id` says of an index: `SLPW`.
    static let applicationID: Int64 = 0x534C_5057

    /// Each brings an index from the version that is its position to the next.
    static let migrations = [
        """
        CREATE TABLE blobs (
            key TEXT PRIMARY KEY,
            diff_id TEXT NOT NULL,
            sha256 TEXT NOT NULL,
            size INTEGER NOT NULL,
            boot_size INTEGER NOT NULL,
            record TEXT NOT NULL,
            committed_at INTEGER NOT NULL,
            was_referenced INTEGER NOT NULL DEFAULT 0
        ) STRICT;
        CREATE INDEX blobs_by_diff_id ON blobs (diff_id);

        CREATE TABLE compressed (digest TEXT PRIMARY KEY, diff_id TEXT NOT NULL) STRICT, WITHOUT ROWID;
        CREATE INDEX compressed_by_diff_id ON compressed (diff_id);

        CREATE TABLE images (
            digest TEXT PRIMARY KEY,
            manifest TEXT NOT NULL,
            config_digest TEXT NOT NULL,
            config TEXT NOT NULL,
            platform TEXT NOT NULL,
            created TEXT,
            sequence INTEGER NOT NULL,
            unpinned_at INTEGER
        ) STRICT;

        CREATE TABLE image_aliases (
            alias TEXT NOT NULL,
            image TEXT NOT NULL REFERENCES images ON DELETE CASCADE,
            kind TEXT NOT NULL CHECK (kind IN ('manifest', 'config', 'index')),
            UNIQUE (alias, image)
        ) STRICT;
        CREATE INDEX image_aliases_by_image ON image_aliases (image);

        CREATE TABLE image_layers (
            image TEXT NOT NULL REFERENCES images ON DELETE CASCADE,
            position INTEGER NOT NULL,
            key TEXT NOT NULL REFERENCES blobs ON DELETE RESTRICT,
            digest TEXT NOT NULL,
            size INTEGER NOT NULL,
            PRIMARY KEY (image, position)
        ) STRICT, WITHOUT ROWID;
        CREATE INDEX image_layers_by_key ON image_layers (key);

        CREATE TABLE claims (
            reference TEXT NOT NULL,
            source TEXT NOT NULL,
            image TEXT NOT NULL REFERENCES images ON DELETE CASCADE,
            rank INTEGER NOT NULL,
            sequence INTEGER NOT NULL UNIQUE,
            PRIMARY KEY (reference, source)
        ) STRICT, WITHOUT ROWID;
        CREATE INDEX claims_by_precedence ON claims (reference, rank, sequence DESC);
        CREATE INDEX claims_by_source ON claims (source);
        CREATE INDEX claims_by_image ON claims (image);

        CREATE TABLE pins (
            source TEXT NOT NULL,
            image TEXT NOT NULL REFERENCES images ON DELETE CASCADE,
            PRIMARY KEY (source, image)
        ) STRICT, WITHOUT ROWID;
        CREATE INDEX pins_by_image ON pins (image);

        CREATE TABLE sources (
            source TEXT PRIMARY KEY,
            identity TEXT NOT NULL,
            digest TEXT,
            image TEXT,
            state TEXT NOT NULL,
            attempts INTEGER NOT NULL,
            next_try INTEGER,
            error_code TEXT,
            message TEXT,
            absent_since INTEGER
        ) STRICT, WITHOUT ROWID;

        CREATE TABLE vms (
            name TEXT PRIMARY KEY,
            request TEXT NOT NULL,
            request_digest TEXT NOT NULL,
            reference TEXT NOT NULL,
            image TEXT NOT NULL REFERENCES images ON DELETE RESTRICT,
            absent_since INTEGER,
            retired_at INTEGER
        ) STRICT, WITHOUT ROWID;
        CREATE INDEX vms_by_image ON vms (image);

        CREATE TABLE vm_layers (
            vm TEXT NOT NULL REFERENCES vms ON DELETE CASCADE ON UPDATE CASCADE,
            position INTEGER NOT NULL,
            key TEXT NOT NULL REFERENCES blobs ON DELETE RESTRICT,
            PRIMARY KEY (vm, position)
        ) STRICT, WITHOUT ROWID;
        CREATE INDEX vm_layers_by_key ON vm_layers (key);

        CREATE TABLE leases (
            workspace TEXT NOT NULL,
            key TEXT NOT NULL REFERENCES blobs ON DELETE RESTRICT,
            PRIMARY KEY (workspace, key)
        ) STRICT, WITHOUT ROWID;
        CREATE INDEX leases_by_key ON leases (key);

        CREATE TABLE clock (
            id INTEGER PRIMARY KEY CHECK (id = 1),
            boot_id TEXT,
            boot_time INTEGER NOT NULL,
            store_time INTEGER NOT NULL,
            sequence INTEGER NOT NULL
        ) STRICT;
        INSERT INTO clock VALUES (1, NULL, 0, 0, 0);

        CREATE TABLE stale_sidecars (
            kind TEXT NOT NULL CHECK (kind IN ('blob', 'image')),
            id TEXT NOT NULL,
            PRIMARY KEY (kind, id)
        ) STRICT, WITHOUT ROWID;

        CREATE TABLE partials (
            name TEXT PRIMARY KEY,
            state TEXT NOT NULL,
            seen_at INTEGER NOT NULL
        ) STRICT, WITHOUT ROWID;
        """,
        // Records say what a layer leaves open, which nothing written before does.
        "UPDATE blobs SET record = json_remove(record, '$.impliedDirectories')",
        // A binding names the merged disk that it uses. The disk may be missing: it is made anew.
        """
        CREATE TABLE merged (
            id TEXT PRIMARY KEY,
            size INTEGER NOT NULL,
            record TEXT NOT NULL,
            used_at INTEGER NOT NULL
        ) STRICT, WITHOUT ROWID;
        ALTER TABLE vms ADD COLUMN merged TEXT;
        CREATE INDEX vms_by_merged ON vms (merged) WHERE merged IS NOT NULL;
        """,
        // Counts changes of bindings, so that who has read them need not read them again. It starts anywhere: an index that
        // was rebuilt is not taken for the one before.
        """
        CREATE TABLE generations (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
        INSERT INTO generations VALUES ('vms', random() / 2);
        CREATE TRIGGER vms_inserted AFTER INSERT ON vms
            BEGIN UPDATE generations SET value = value + 1 WHERE name = 'vms'; END;
        CREATE TRIGGER vms_updated AFTER UPDATE ON vms
            BEGIN UPDATE generations SET value = value + 1 WHERE name = 'vms'; END;
        CREATE TRIGGER vms_deleted AFTER DELETE ON vms
            BEGIN UPDATE generations SET value = value + 1 WHERE name = 'vms'; END;
        CREATE TRIGGER vm_layers_inserted AFTER INSERT ON vm_layers
            BEGIN UPDATE generations SET value = value + 1 WHERE name = 'vms'; END;
        CREATE TRIGGER vm_layers_deleted AFTER DELETE ON vm_layers
            BEGIN UPDATE generations SET value = value + 1 WHERE name = 'vms'; END;
        """,
        // An event about a request's file asks for what was made of it.
        "CREATE INDEX vms_by_request ON vms (request)",
    ]

    /// Brings the index to today's version, in a transaction that reads the version itself: of two processes that
    /// start at once, the second finds the work done.
    ///
    /// - Parameter fill: fills tables that have just been made, in the same transaction.
    /// - Returns: what `fill` did; nil when there was an index.
    static func migrate<Filled>(_ db: Database, path: FilePath, fill: () throws -> Filled) throws -> Filled? {
        var filled: Filled?
        try db.inTransaction(.immediate) {
            let version = try Int.fetchOne(db, sql: "PRAGMA user_version") ?? 0
            guard version <= migrations.count else {
                throw StoreError(
                    .newerIndex,
                    "\(path) has version \(version), this slipway knows up to \(migrations.count): use the slipway that wrote it, or a newer one"
                )
            }
            let application = try Int64.fetchOne(db, sql: "PRAGMA application_id") ?? 0
            let tables = try Int.fetchOne(db, sql: "SELECT count(*) FROM sqlite_schema") ?? 0
            guard application == applicationID || (version == 0 && application == 0 && tables == 0) else {
                throw StoreError(
                    .corruptIndex,
                    "\(path) is a database of another program: move it away, or choose another root"
                )
            }
            guard version < migrations.count else { return .commit }
            for migration in migrations[version...] { try db.execute(sql: migration) }
            // Pragmas take no bound values; both numbers are ours.
            try db.execute(sql: "PRAGMA application_id = \(applicationID)")
            try db.execute(sql: "PRAGMA user_version = \(migrations.count)")
            if version == 0 { filled = try fill() }
            return .commit
        }
        return filled
    }
}
