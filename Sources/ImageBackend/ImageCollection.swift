import GarbageCollection
import OCI
import Store
import SystemPackage

/// Collects images that nothing has pinned for a while, then blobs that no image, VM or running work needs, and merged
/// disks that no VM uses.
struct ImageCollection: Module {
    let store: Store
    let unpinnedTTL: Duration

    var name: String { "images" }

    /// How long a download to resume has to stand still.
    static let partialTTL = Duration.seconds(24 * 3600)

    func snapshot() async throws -> CollectionSnapshot {
        try await store.notePartials()
        return try await store.collectionSnapshot()
    }

    func untilDue(_ snapshot: CollectionSnapshot) -> Duration? {
        let images = snapshot.images.filter(\.isUnwanted).compactMap(\.unpinnedAt)
        let blobs = snapshot.blobs.filter { $0.leases.isEmpty && $0.vms.isEmpty && $0.images.isEmpty }
        let merged = snapshot.merged.filter(\.vms.isEmpty)
        let unwanted = images + blobs.map(\.committedAt) + merged.map(\.usedAt)
        let downloads = snapshot.downloads.compactMap(\.unchangedSince)
        let dues = unwanted.map { $0 + unpinnedTTL } + downloads.map { $0 + Self.partialTTL }
        return dues.filter { $0 > snapshot.now }.min().map { $0 - snapshot.now }
    }

    func resolve(_ snapshot: CollectionSnapshot, others: Snapshots) throws -> [Candidate] {
        let garbage = snapshot.images.filter { image in
            guard image.isUnwanted, let since = image.unpinnedAt else { return false }
            return since + unpinnedTTL <= snapshot.now
        }
        let images = garbage.map { image in
            Candidate(
                kind: "image",
                id: image.digest.description,
                reason: "nothing has pinned \(image.references.first ?? "it") for \(unpinnedTTL)",
                bytes: 0
            )
        }
        let gone = Set(garbage.map(\.digest))
        let blobs = snapshot.blobs.filter { blob in
            guard blob.leases.isEmpty, blob.vms.isEmpty, blob.images.allSatisfy(gone.contains) else {
                return false
            }
            // What an image once had goes with the image; what none had yet may be half of one that is still coming.
            return blob.wasReferenced || !blob.images.isEmpty
                || blob.committedAt + unpinnedTTL <= snapshot.now
        }
        let merged = snapshot.merged.filter { $0.vms.isEmpty && $0.usedAt + unpinnedTTL <= snapshot.now }
        let downloads = snapshot.downloads.filter { download in
            download.unchangedSince.map { $0 + Self.partialTTL <= snapshot.now } ?? false
        }
        let orphans = snapshot.orphans.map { orphan in
            Candidate(
                kind: orphan.kind,
                id: orphan.path.string,
                reason: "nothing accounts for it",
                bytes: orphan.bytes
            )
        }
        return images
            + blobs.map { blob in
                Candidate(
                    kind: "blob",
                    id: blob.key.description,
                    reason: "no image, VM or running work needs it",
                    bytes: blob.bytes
                )
            }
            + merged.map { disk in
                Candidate(
                    kind: "merged",
                    id: disk.id.hex,
                    reason: "no VM is bound to it",
                    bytes: disk.bytes
                )
            }
            + downloads.map { download in
                Candidate(
                    kind: "partial",
                    id: download.path.string,
                    reason: "nobody has resumed it for \(Self.partialTTL)",
                    bytes: download.bytes
                )
            } + orphans
    }

    func collect(_ candidates: [Candidate]) async throws -> [Collected] {
        // The grace is counted anew, against the clock as it is when deleting.
        let before = try await store.tick() + (.zero - unpinnedTTL)
        let byKind = Dictionary(grouping: candidates, by: \.kind)
        let byID = byKind.mapValues { Dictionary($0.map { ($0.id, $0) }) { first, _ in first } }
        func collected(_ kind: String, _ id: String, _ bytes: UInt64) -> Collected? {
            byID[kind]?[id].map { Collected(candidate: $0, bytes: bytes) }
        }
        let images = try await store.collectImages(
            (byKind["image"] ?? []).compactMap { Digest($0.id) },
            unpinnedBefore: before
        )
        let blobs = try await store.collectBlobs(
            (byKind["blob"] ?? []).compactMap { LayerKey($0.id) },
            committedBefore: before
        )
        let merged = try await store.collectMergedDisks(
            (byKind["merged"] ?? []).compactMap { Digest(hex: $0.id) },
            unusedSince: before
        )
        let orphans = try await store.collectOrphans(partialTTL: Self.partialTTL)
        return images.compactMap { collected("image", $0.description, 0) }
            + blobs.compactMap { collected("blob", $0.0.description, $0.1) }
            + merged.compactMap { collected("merged", $0.0.hex, $0.1) }
            + orphans.map { orphan in
                Collected(
                    candidate: Candidate(
                        kind: orphan.kind,
                        id: orphan.path.string,
                        reason: "nothing accounts for it",
                        bytes: orphan.bytes
                    ),
                    bytes: orphan.bytes
                )
            }
    }
}

extension CollectionSnapshot.Image {
    /// Whether nothing keeps it but its grace.
    fileprivate var isUnwanted: Bool { pins.isEmpty && boundVMs.isEmpty }
}
