import GRDB
import Host
import Logging
import OCI
import SystemPackage

/// What lies beside a blob: enough to rebuild its rows.
struct BlobSidecar: Codable, Equatable {
    static let schema = 2
    /// The form of this document.
    var schema = BlobSidecar.schema
    /// The blob.
    var record: BlobRecord
    /// Digests of compressed bytes that this layer is known by, sorted.
    var compressed: [Digest]
}

/// An image's document: enough to rebuild its rows. Pins of inbox and queue are left out, for those pin again.
struct ImageDocument: Codable, Equatable {
    static let schema = 1
    /// The form of this document.
    var schema = ImageDocument.schema
    /// The image.
    var record: ImageRecord
    /// Who says which reference means it.
    var claims: [Claim]
    /// Whether it is pinned by hand.
    var isPinnedByHand: Bool
    /// VMs bound to it, with their layers. The digest of a request that was edited since may be an older one: after a rebuild
    /// its config is rendered anew in any case.
    var vms: [VMRecord]
}

/// Keeps the documents in step with the rows. The transaction that changes rows notes which documents are stale;
/// they are rewritten afterwards, under the write lock again, so that the last state is what lies there in the
/// end. Who is killed in between leaves the note to the next process.
struct Sidecars {
    /// Documents rewritten under one hold of the write lock.
    private static let batch = 64

    let layout: StoreLayout

    static func markImage(_ digest: Digest, _ db: Database) throws {
        try db.execute(
            sql: "INSERT INTO stale_sidecars VALUES ('image', ?) ON CONFLICT DO NOTHING",
            arguments: [digest.hex]
        )
    }

    static func markBlobs(diffID: Digest, _ db: Database) throws {
        try db.execute(
            sql: """
                INSERT INTO stale_sidecars SELECT 'blob', key FROM blobs WHERE diff_id = ? ON CONFLICT DO NOTHING
                """,
            arguments: [diffID.hex]
        )
    }

    static func anyStale(_ db: Database) throws -> Bool {
        try Bool.fetchOne(db, sql: "SELECT EXISTS (SELECT 1 FROM stale_sidecars)") ?? false
    }

    /// Rewrites some stale documents; true when none is left.
    func flush(_ db: Database) throws -> Bool {
        let rows = try Row.fetchAll(
            db,
            sql: "SELECT kind, id FROM stale_sidecars LIMIT ?",
            arguments: [Self.batch]
        )
        for row in rows {
            let id = try row.text("id")
            if try row.text("kind") == "image" {
                if let digest = Digest(hex: id) { try writeImage(digest, db) }
            } else {
                if let key = LayerKey(id) { try writeBlob(key, db) }
            }
            try db.execute(
                sql: "DELETE FROM stale_sidecars WHERE kind = ? AND id = ?",
                arguments: [try row.text("kind"), id]
            )
        }
        return rows.count < Self.batch
    }

    private func writeImage(_ digest: Digest, _ db: Database) throws {
        guard let record = try ImageRecord.fetch(db, .some([digest])).first?.record else {
            return try Directory.unlink(layout.image(digest))
        }
        let document = ImageDocument(
            record: record,
            claims: try Claim.fetch(db, image: digest),
            isPinnedByHand: try Bool.fetchOne(
                db,
                sql: "SELECT EXISTS (SELECT 1 FROM pins WHERE image = ? AND source = ?)",
                arguments: [digest.hex, Source.hand.rawValue]
            ) ?? false,
            vms: try VMRecord.fetch(db, image: digest)
        )
        try AtomicFile.write(try JSON.encode(document, pretty: true), to: layout.image(digest))
    }

    private func writeBlob(_ key: LayerKey, _ db: Database) throws {
        guard let record = try BlobRow.fetch(db, key) else { return }
        let sidecar = BlobSidecar(
            record: record,
            compressed: try String.fetchAll(
                db,
                sql: "SELECT digest FROM compressed WHERE diff_id = ? ORDER BY digest",
                arguments: [key.diffID.hex]
            ).compactMap { Digest(hex: $0) }
        )
        try AtomicFile.write(
            try JSON.encode(sidecar, pretty: true),
            to: layout.blobSidecar(key),
            permissions: .content
        )
    }
}

extension Store {
    /// Rewrites stale documents. A failure leaves them noted: the rows are the truth, so it fails nothing else.
    func flushSidecars() async {
        let sidecars = Sidecars(layout: layout)
        do {
            guard try await index.read({ db in try Sidecars.anyStale(db) }) else { return }
            var isDone = false
            while !isDone {
                isDone = try await index.write(isChange: false) { db in try sidecars.flush(db) }
            }
        } catch is CancellationError {
            return
        } catch {
            log.warning("sidecars in \(layout.root) are behind the index until the next pass: \(error)")
        }
    }
}
