import GRDB
import Host
public import OCI
public import SystemPackage

/// Everything that decides what is garbage, as of one moment.
public struct CollectionSnapshot: Sendable, Hashable {
    /// An image and its roots.
    public struct Image: Sendable, Hashable, Codable {
        /// The manifest's digest.
        public var digest: Digest
        /// References that mean it now, sorted.
        public var references: [String]
        /// Who pins it, sorted.
        public var pins: [Source]
        /// VMs bound to it, sorted.
        public var boundVMs: [String]
        /// When its last pin went, on the store's clock; nil while something pins it.
        public var unpinnedAt: StoreTime?
        /// Its layers, bottom first.
        public var layers: [LayerKey]
    }

    /// A blob and what needs it.
    public struct Blob: Sendable, Hashable, Codable {
        /// Its key.
        public var key: LayerKey
        /// Bytes of the EROFS image and the boot files.
        public var bytes: UInt64
        /// When it was committed, on the store's clock.
        public var committedAt: StoreTime
        /// Whether an image ever had it: such a blob goes with its last image, others after a while.
        public var wasReferenced: Bool
        /// Images that have it, sorted.
        public var images: [Digest]
        /// VMs bound to it, sorted.
        public var vms: [String]
        /// Live workspaces that lease it, sorted.
        public var leases: [String]
    }

    /// A merged disk and what needs it.
    public struct Merged: Sendable, Hashable, Codable {
        /// Its identity.
        public var id: Digest
        /// Bytes of the EROFS image.
        public var bytes: UInt64
        /// When it was last made or asked for, on the store's clock.
        public var usedAt: StoreTime
        /// VMs bound to it, sorted.
        public var vms: [String]
    }

    /// A file or folder of the store that has no row.
    public struct Orphan: Sendable, Hashable, Codable {
        /// What it is: `blob`, `sidecar`, `boot`, `image`, `merged`, `merged-sidecar`, `temp`, `trash`.
        public var kind: String
        /// Where it is.
        public var path: FilePath
        /// Bytes it takes on disk.
        public var bytes: UInt64
    }

    /// A download to resume.
    public struct Download: Sendable, Hashable, Codable {
        /// Where it is.
        public var path: FilePath
        /// Bytes it takes on disk.
        public var bytes: UInt64
        /// Since when it is known not to have changed, on the store's clock; nil where it was not seen before.
        public var unchangedSince: StoreTime?
    }

    /// The store's time.
    public var now: StoreTime
    /// Every image, sorted by digest.
    public var images: [Image]
    /// Every blob, sorted by key.
    public var blobs: [Blob]
    /// Every merged disk, sorted by identity.
    public var merged: [Merged]
    /// Every VM's layers, by name.
    public var vms: [String: [LayerKey]]
    /// Every download to resume.
    public var downloads: [Download]
    /// What ``Store/collectOrphans(partialTTL:)`` would remove now beside downloads, as far as a reader can tell.
    public var orphans: [Orphan]
}

extension Store {
    /// Reads what decides about garbage, all rows from one transaction. Whether a hypervisor holds a blob is looked
    /// at only when collecting.
    public func collectionSnapshot() async throws -> CollectionSnapshot {
        let (layout, clock) = (layout, clock)
        // Files first: what is committed after the look at the folders has a row in the look at the rows.
        let found = try await translating {
            try await onThread(named: "find-orphans") { _ in try OrphanScan.everything(in: layout) }
        }
        return try await index.read { db in
            let images = try CollectionSnapshot.images(db)
            let vms = try Dictionary(
                grouping: Row.fetchAll(db, sql: "SELECT * FROM vm_layers ORDER BY vm, position")
            ) {
                try $0.text("vm")
            }.mapValues { try $0.map { try $0.layerKey("key") } }
            let orphans = try found.filter { try !$0.hasRow(db) }
            return CollectionSnapshot(
                now: try clock.now(db),
                images: images,
                blobs: try CollectionSnapshot.blobs(db, images: images, vms: vms, temp: layout.temp),
                merged: try CollectionSnapshot.merged(db),
                vms: vms,
                downloads: try Partials.standings(db, layout).map {
                    CollectionSnapshot.Download(path: $0.path, bytes: $0.bytes, unchangedSince: $0.since)
                },
                orphans: try orphans.compactMap { try $0.snapshot(layout) }
            )
        }
    }
}

extension CollectionSnapshot {
    fileprivate static func images(_ db: Database) throws -> [Image] {
        let references = try ImageRelations.references(db, .all)
        let pins = try ImageRelations.pins(db, .all)
        let vms = try ImageRelations.boundVMs(db, .all)
        let layers = try ImageRelations.layerKeys(db, .all)
        return try Row.fetchAll(db, sql: "SELECT digest, unpinned_at FROM images ORDER BY digest").map {
            let hex = try $0.text("digest")
            return Image(
                digest: try $0.digest("digest"),
                references: references[hex] ?? [],
                pins: pins[hex] ?? [],
                boundVMs: vms[hex] ?? [],
                unpinnedAt: try $0.optionalTime("unpinned_at"),
                layers: layers[hex] ?? []
            )
        }
    }

    fileprivate static func merged(_ db: Database) throws -> [Merged] {
        try Row.fetchAll(db, sql: "SELECT id, size, used_at FROM merged ORDER BY id").map {
            let id = try $0.digest("id")
            return Merged(
                id: id,
                bytes: try $0.bytes("size"),
                usedAt: try $0.time("used_at"),
                vms: try MergedRow.vms(db, id)
            )
        }
    }

    fileprivate static func blobs(
        _ db: Database,
        images: [Image],
        vms: [String: [LayerKey]],
        temp: FilePath
    ) throws -> [Blob] {
        var imagesByKey: [LayerKey: Set<Digest>] = [:]
        for image in images { for key in image.layers { imagesByKey[key, default: []].insert(image.digest) } }
        var vmsByKey: [LayerKey: Set<String>] = [:]
        for (name, keys) in vms { for key in keys { vmsByKey[key, default: []].insert(name) } }
        var leases: [LayerKey: [String]] = [:]
        var isAlive: [String: Bool] = [:]
        for row in try Row.fetchAll(db, sql: "SELECT workspace, key FROM leases ORDER BY workspace") {
            let workspace = try row.text("workspace")
            let alive = try isAlive[workspace] ?? Workspaces.isAlive(workspace, in: temp)
            isAlive[workspace] = alive
            if alive { leases[try row.layerKey("key"), default: []].append(workspace) }
        }
        let sql =
            "SELECT key, size + boot_size AS bytes, committed_at, was_referenced FROM blobs ORDER BY key"
        return try Row.fetchAll(db, sql: sql).map {
            let key = try $0.layerKey("key")
            return Blob(
                key: key,
                bytes: try $0.bytes("bytes"),
                committedAt: try $0.time("committed_at"),
                wasReferenced: try $0.integer("was_referenced") != 0,
                images: (imagesByKey[key] ?? []).sorted(),
                vms: (vmsByKey[key] ?? []).sorted(),
                leases: leases[key] ?? []
            )
        }
    }
}
