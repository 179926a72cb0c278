import GarbageCollection
import Host
import Logging
import OCI
import Store
import SystemPackage

/// Collects images that nothing has pinned for a while, then blobs that no image, VM or running work needs, and merged
/// disks that no VM uses; sooner where space is short.
struct ImageCollection: Module {
    /// What decides, as of one moment.
    struct Snapshot: Sendable {
        var store: CollectionSnapshot
        var fileSystem: FileSystemStatus
    }

    let store: Store
    let unpinnedTTL: Duration
    let limits: SpaceLimits
    let shortage: ShortageNotice

    var name: String { "images" }

    /// How long a download to resume has to stand still.
    static let partialTTL = Duration.seconds(24 * 3600)

    func snapshot() async throws -> Snapshot {
        try await store.notePartials()
        let root = store.layout.root
        return Snapshot(
            store: try await store.collectionSnapshot(),
            fileSystem: try await onThread(named: "statfs") { _ in try FileSystemStatus.of(root) }
        )
    }

    func untilDue(_ snapshot: Snapshot) -> Duration? {
        let store = snapshot.store
        let images = store.images.filter { $0.pins.isEmpty && $0.boundVMs.isEmpty }.compactMap(\.unpinnedAt)
        let blobs = store.blobs.filter { $0.leases.isEmpty && $0.vms.isEmpty && $0.images.isEmpty }
        let merged = store.merged.filter(\.vms.isEmpty)
        let unneeded = images + blobs.map(\.committedAt) + merged.map(\.usedAt)
        let downloads = store.downloads.compactMap(\.unchangedSince)
        let dues = unneeded.map { $0 + unpinnedTTL } + downloads.map { $0 + Self.partialTTL }
        return dues.filter { $0 > store.now }.min().map { $0 - store.now }
    }

    func resolve(_ snapshot: Snapshot, others: Snapshots) throws -> [Candidate] {
        let roots = others.snapshot(of: ExternalRoots.name, as: ExternalRoots.Snapshot.self)
        var garbage = ImageGarbage(snapshot.store, ttl: unpinnedTTL, roots: roots ?? .none)
        let excess = limits.excess(on: snapshot.fileSystem, storeBytes: snapshot.store.contentBytes)
        garbage.evict(until: excess)
        shortage.note(excess: excess, freed: garbage.bytes)
        let downloads = snapshot.store.downloads.filter { download in
            download.unchangedSince.map { $0 + Self.partialTTL <= snapshot.store.now } ?? false
        }
        return candidates(of: garbage) + downloads.map { Candidate(download: $0) }
            + snapshot.store.orphans.map { Candidate(orphan: $0) }
    }

    private func candidates(of garbage: ImageGarbage) -> [Candidate] {
        func candidate(_ kind: String, _ id: String, _ reason: String, _ bytes: UInt64) -> Candidate {
            let isEarly = garbage.early.contains("\(kind)/\(id)")
            return Candidate(
                kind: kind,
                id: id,
                reason: isEarly ? "\(reason), and space is short" : reason,
                bytes: bytes,
                isEarly: isEarly
            )
        }
        return garbage.images.map { image in
            let name = image.references.first ?? "it"
            let isEarly = garbage.early.contains("image/\(image.digest)")
            return candidate(
                "image",
                image.digest.description,
                isEarly ? "nothing pins \(name)" : "nothing has pinned \(name) for \(unpinnedTTL)",
                0
            )
        }
            + garbage.blobs.map {
                candidate("blob", $0.key.description, "no image, VM or running work needs it", $0.bytes)
            }
            + garbage.merged.map { candidate("merged", $0.id.hex, "no VM is bound to it", $0.bytes) }
    }

    func collect(_ candidates: [Candidate]) async throws -> [Collected] {
        let now = try await store.tick()
        let collected = try await collect(
            candidates.filter { !$0.isEarly },
            neededNoMoreSince: now + (.zero - unpinnedTTL)
        )
        return try await collected + collect(candidates.filter(\.isEarly), neededNoMoreSince: now)
            + store.collectOrphans(partialTTL: Self.partialTTL).map {
                Collected(candidate: Candidate(orphan: $0), bytes: $0.bytes)
            }
    }

    /// - Parameter time: the grace is counted anew, against the clock as it is when deleting.
    private func collect(
        _ candidates: [Candidate],
        neededNoMoreSince time: StoreTime
    ) async throws -> [Collected] {
        guard !candidates.isEmpty else { return [] }
        let byKind = Dictionary(grouping: candidates, by: \.kind)
        let byID = byKind.mapValues { Dictionary($0.map { ($0.id, $0) }) { first, _ in first } }
        func collected(_ kind: String, _ id: String, _ bytes: UInt64) -> Collected? {
            byID[kind]?[id].map { Collected(candidate: $0, bytes: bytes) }
        }
        let images = try await store.collectImages(
            (byKind["image"] ?? []).compactMap { Digest($0.id) },
            unpinnedBefore: time
        )
        let blobs = try await store.collectBlobs(
            (byKind["blob"] ?? []).compactMap { LayerKey($0.id) },
            committedBefore: time
        )
        let merged = try await store.collectMergedDisks(
            (byKind["merged"] ?? []).compactMap { Digest(hex: $0.id) },
            unusedSince: time
        )
        return images.compactMap { collected("image", $0.description, 0) }
            + blobs.compactMap { collected("blob", $0.0.description, $0.1) }
            + merged.compactMap { collected("merged", $0.0.hex, $0.1) }
    }
}

extension CollectionSnapshot {
    /// Bytes of blobs, boot files and merged disks.
    fileprivate var contentBytes: UInt64 {
        blobs.reduce(0) { $0 + $1.bytes } + merged.reduce(0) { $0 + $1.bytes }
    }
}

extension Candidate {
    /// A file of the store that has no row.
    fileprivate init(orphan: CollectionSnapshot.Orphan) {
        self.init(
            kind: orphan.kind,
            id: orphan.path.string,
            reason: "nothing accounts for it",
            bytes: orphan.bytes
        )
    }

    /// A download that nobody goes on with.
    fileprivate init(download: CollectionSnapshot.Download) {
        self.init(
            kind: "partial",
            id: download.path.string,
            reason: "nobody has resumed it for \(ImageCollection.partialTTL)",
            bytes: download.bytes
        )
    }
}
