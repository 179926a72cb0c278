import GRDB
import Host
public import OCI
import SystemPackage

/// What the store takes on disk.
public struct StoreUsage: Sendable, Hashable, Codable {
    /// What an image takes: blobs and boot files, in bytes of content.
    public struct Image: Sendable, Hashable, Codable {
        /// The manifest's digest.
        public var digest: Digest
        /// Of layers that no other image has: what deleting it would free.
        public var uniqueBytes: UInt64
        /// Of layers that other images have too.
        public var sharedBytes: UInt64
    }

    /// Bytes of EROFS images, by their records.
    public var blobBytes: UInt64
    /// Bytes of kernels and initramfs, by their records.
    public var bootBytes: UInt64
    /// Bytes on disk of work in flight.
    public var tempBytes: UInt64
    /// Bytes on disk of downloads to resume.
    public var partialBytes: UInt64
    /// Bytes on disk of what is about to be deleted.
    public var trashBytes: UInt64
    /// Bytes on disk of disks that hold several layers.
    public var mergedBytes: UInt64
    /// Bytes on disk of empty file systems that disks are copied from.
    public var templateBytes: UInt64
    /// Bytes on disk of the index with its log.
    public var indexBytes: UInt64
    /// Every image, sorted by digest.
    public var images: [Image]
}

extension Store {
    /// What the store takes on disk, by kind and by image.
    public func usage() async throws -> StoreUsage {
        let layout = layout
        let files = try await translating {
            try await onThread(named: "usage") { _ in try FolderUsage(layout) }
        }
        return try await index.read { db in
            let sums = try Row.fetchOne(
                db,
                sql: "SELECT coalesce(sum(size), 0) AS blobs, coalesce(sum(boot_size), 0) AS boot FROM blobs"
            )
            // A layer that an image repeats is on disk once.
            let images = try Row.fetchAll(
                db,
                sql: """
                    WITH uses AS (SELECT DISTINCT image, key FROM image_layers),
                        counts AS (SELECT key, count(*) AS images FROM uses GROUP BY key)
                    SELECT digest,
                        coalesce(sum(CASE WHEN counts.images = 1 THEN blobs.size + boot_size END), 0) AS unique_bytes,
                        coalesce(sum(CASE WHEN counts.images > 1 THEN blobs.size + boot_size END), 0) AS shared_bytes
                    FROM images LEFT JOIN uses ON uses.image = digest LEFT JOIN counts ON counts.key = uses.key
                        LEFT JOIN blobs ON blobs.key = uses.key
                    GROUP BY digest ORDER BY digest
                    """
            )
            return StoreUsage(
                blobBytes: try sums?.bytes("blobs") ?? 0,
                bootBytes: try sums?.bytes("boot") ?? 0,
                tempBytes: files.temp,
                partialBytes: files.partial,
                trashBytes: files.trash,
                mergedBytes: files.merged,
                templateBytes: files.templates,
                indexBytes: files.index,
                images: try images.map {
                    StoreUsage.Image(
                        digest: try $0.digest("digest"),
                        uniqueBytes: try $0.bytes("unique_bytes"),
                        sharedBytes: try $0.bytes("shared_bytes")
                    )
                }
            )
        }
    }
}

/// Bytes on disk of what has no rows.
private struct FolderUsage {
    let temp, partial, trash, merged, templates, index: UInt64

    init(_ layout: StoreLayout) throws(FileError) {
        temp = try DiskUsage.bytes(of: layout.temp) ?? 0
        partial = try DiskUsage.bytes(of: layout.partial) ?? 0
        trash = try DiskUsage.bytes(of: layout.trash) ?? 0
        merged = try DiskUsage.bytes(of: layout.merged) ?? 0
        templates = try DiskUsage.bytes(of: layout.templates) ?? 0
        var bytes: UInt64 = 0
        for suffix in ["", "-wal", "-shm"] {
            bytes += try DiskUsage.bytes(of: FilePath(layout.database.string + suffix)) ?? 0
        }
        index = bytes
    }
}
