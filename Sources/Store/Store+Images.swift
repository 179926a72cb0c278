import GRDB
public import OCI

extension Store {
    /// Makes an image part of the store: all its blobs must be there (an error names the first that is not).
    /// `references` are claimed for `source` and the image is pinned by it, all in the same transaction. Claims that
    /// this source held on other references and are not in the list are released when `replacing` is true, likewise
    /// its pins on other images.
    ///
    /// Every call makes the source's claims the newest of their kind, also when they meant this image before.
    public func commitImage(
        _ image: ImageRecord,
        references: [String],
        source: Source,
        replacing: Bool
    ) async throws {
        try await commitImages([(image, references)], source: source, replacing: replacing)
    }

    /// The same for several images at once: with `replacing`, the source claims and pins these alone afterwards.
    public func commitImages(
        _ images: [(record: ImageRecord, references: [String])],
        source: Source,
        replacing: Bool
    ) async throws {
        let (layout, clock) = (layout, clock)
        try await index.write { db in
            let time = try clock.advance(db)
            for image in images.map(\.record) {
                for layer in image.layers where try layout.intactBlob(db, layer.key) == nil {
                    throw StoreError(
                        .missingBlob,
                        "the layer \(layer.key) of \(image.digest) is not in the store: import the image again"
                    )
                }
                try image.put(db)
            }
            for (image, references) in images {
                for reference in references {
                    try Claim(reference: reference, source: source, image: image.digest).make(db)
                }
                try Pins.add(db, image.digest, by: source)
            }
            if replacing {
                try Claim.release(db, source, keeping: images.flatMap(\.references))
                try Pins.remove(db, source, keeping: images.map(\.record.digest), at: time)
            }
            for image in images { try Sidecars.markImage(image.record.digest, db) }
        }
        await flushSidecars()
    }

    /// All images, sorted by digest.
    public func images() async throws -> [StoredImage] {
        try await index.read { db in try StoredImage.fetch(db, .all) }
    }

    /// What every claimed reference means now: the image's digest by reference. Reads no manifest.
    public func references() async throws -> [String: Digest] {
        try await index.read { db in
            var result: [String: Digest] = [:]
            for (hex, references) in try ImageRelations.references(db, .all) {
                guard let digest = Digest(hex: hex) else { continue }
                for reference in references { result[reference] = digest }
            }
            return result
        }
    }

    /// The image with this manifest, config or index digest. Of several images of one index or config, the one
    /// committed last.
    public func image(_ digest: Digest) async throws -> StoredImage? {
        try await index.read { db in
            try ImageAlias.image(db, digest).flatMap { try StoredImage.fetch(db, [$0]).first }
        }
    }

    /// The same image without what refers to it, which may be thousands of VMs.
    public func imageRecord(_ digest: Digest) async throws -> ImageRecord? {
        try await index.read { db in
            try ImageAlias.image(db, digest).flatMap { try ImageRecord.fetch(db, .some([$0])).first?.record }
        }
    }

    /// The manifest's digest of the image with this manifest, config or index digest.
    public func imageDigest(knownAs digest: Digest) async throws -> Digest? {
        try await index.read { db in try ImageAlias.image(db, digest) }
    }

    /// The images with this manifest, config or index digest, one per platform, the one committed last first.
    public func images(knownAs digest: Digest) async throws -> [StoredImage] {
        try await index.read { db in
            let rows = try Row.fetchAll(
                db,
                sql: """
                    SELECT DISTINCT image FROM image_aliases JOIN images ON images.digest = image WHERE alias = ?
                    ORDER BY sequence DESC
                    """,
                arguments: [digest.hex]
            )
            let order = try rows.map { try $0.digest("image") }
            let images = try StoredImage.fetch(db, order)
            let byDigest = Dictionary(uniqueKeysWithValues: images.map { ($0.record.digest, $0) })
            return order.compactMap { byDigest[$0] }
        }
    }

    /// The image that a normalised reference means now.
    public func image(reference: String) async throws -> StoredImage? {
        try await index.read { db in
            try Claim.winner(db, reference).flatMap { try StoredImage.fetch(db, [$0]).first }
        }
    }

    /// The manifest's digest of the image that a normalised reference means now.
    public func imageDigest(reference: String) async throws -> Digest? {
        try await index.read { db in try Claim.winner(db, reference) }
    }

    /// Images whose manifest, config or index digest starts with these hex digits (lower case), sorted by digest.
    public func images(digestPrefix hex: String) async throws -> [StoredImage] {
        try await index.read { db in
            try StoredImage.fetch(db, try ImageAlias.images(db, startingWith: hex))
        }
    }

    /// The manifests' digests of those images.
    public func imageDigests(prefix hex: String) async throws -> [Digest] {
        try await index.read { db in try ImageAlias.images(db, startingWith: hex) }
    }

    /// Removes an image's row, claims, pins and document at once, whatever wants it, unless a VM is bound to it.
    /// Its blobs go at the next collection.
    ///
    /// - Returns: whether there was such an image.
    /// - Throws: ``StoreError`` `inUse`, naming the VMs that are bound to it.
    public func removeImage(_ digest: Digest) async throws -> Bool {
        let isRemoved = try await index.write { db in
            let vms = try String.fetchAll(
                db,
                sql: "SELECT name FROM vms WHERE image = ? ORDER BY name",
                arguments: [digest.hex]
            )
            guard vms.isEmpty else {
                throw StoreError(
                    .inUse,
                    "\(digest) is bound to the VM \(vms.joined(separator: ", ")): remove that first"
                )
            }
            return try ImageRecord.delete(db, digest)
        }
        await flushSidecars()
        return isRemoved
    }
}

extension ImageRecord {
    /// Writes rows and aliases. Of an image that is there, the layers are replaced and index digests added.
    func put(_ db: Database) throws {
        try db.execute(
            sql: """
                INSERT INTO images VALUES (?, ?, ?, ?, ?, ?, ?, NULL)
                ON CONFLICT (digest) DO UPDATE SET manifest = excluded.manifest, config = excluded.config,
                    config_digest = excluded.config_digest, platform = excluded.platform,
                    created = excluded.created, sequence = excluded.sequence
                """,
            arguments: [
                digest.hex, manifest, configDigest.hex, config, platform, created, try nextSequence(db),
            ]
        )
        try db.execute(sql: "DELETE FROM image_layers WHERE image = ?", arguments: [digest.hex])
        for (position, layer) in layers.enumerated() {
            try db.execute(
                sql: "INSERT INTO image_layers VALUES (?, ?, ?, ?, ?)",
                arguments: [
                    digest.hex, position, layer.key.description, layer.digest.hex,
                    Int64(clamping: layer.size),
                ]
            )
            try db.execute(
                sql: "UPDATE blobs SET was_referenced = 1 WHERE key = ?",
                arguments: [layer.key.description]
            )
        }
        let aliases = [(digest, "manifest"), (configDigest, "config")] + indexDigests.map { ($0, "index") }
        for (alias, kind) in aliases {
            try db.execute(
                sql: "INSERT INTO image_aliases VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
                arguments: [alias.hex, digest.hex, kind]
            )
        }
    }

    /// Deletes the rows with everything that refers to them; false when there were none.
    static func delete(_ db: Database, _ digest: Digest) throws -> Bool {
        try db.execute(sql: "DELETE FROM images WHERE digest = ?", arguments: [digest.hex])
        guard db.changesCount > 0 else { return false }
        try Sidecars.markImage(digest, db)
        return true
    }
}

/// The digests that an image is known by: those of its manifest, its config, and indexes that led to it.
private enum ImageAlias {
    static func image(_ db: Database, _ digest: Digest) throws -> Digest? {
        try Row.fetchOne(
            db,
            sql: """
                SELECT image FROM image_aliases JOIN images ON images.digest = image WHERE alias = ?
                ORDER BY kind = 'manifest' DESC, sequence DESC LIMIT 1
                """,
            arguments: [digest.hex]
        )?.digest("image")
    }

    static func images(_ db: Database, startingWith hex: String) throws -> [Digest] {
        guard hex.utf8.allSatisfy({ (48...57).contains($0) || (97...102).contains($0) }) else { return [] }
        // `g` follows every hex digit.
        return try Row.fetchAll(
            db,
            sql: "SELECT DISTINCT image FROM image_aliases WHERE alias >= ? AND alias < ? ORDER BY image",
            arguments: [hex, "\(hex)g"]
        ).map { try $0.digest("image") }
    }
}
