import GarbageCollection
import OCI
import Store

/// What of a store is garbage as of one moment: first what has been needless for long enough, then, where space is
/// short, what became needless last.
struct ImageGarbage {
    private let snapshot: CollectionSnapshot
    private let ttl: Duration
    private let roots: ExternalRoots.Snapshot

    private(set) var images: [CollectionSnapshot.Image] = []
    private(set) var blobs: [CollectionSnapshot.Blob] = []
    private(set) var merged: [CollectionSnapshot.Merged] = []
    /// What of these goes before its time, as `kind/id`.
    private(set) var early: Set<String> = []
    private var gone: Set<Digest> = []

    init(_ snapshot: CollectionSnapshot, ttl: Duration, roots: ExternalRoots.Snapshot) {
        self.snapshot = snapshot
        self.ttl = ttl
        self.roots = roots
        images = snapshot.images.filter { $0.isUnneeded && isOver($0.unpinnedAt) }
        gone = Set(images.map(\.digest))
        merged = snapshot.merged.filter { isUnneeded($0) && isOver($0.usedAt) }
        blobs = snapshot.blobs.filter { blob in
            guard isFree(blob), blob.images.allSatisfy(gone.contains) else { return false }
            // What an image once had goes with the image; what none had yet may be half of one that is still coming.
            return blob.wasReferenced || !blob.images.isEmpty || isOver(blob.committedAt)
        }
    }

    /// Bytes that all of it frees.
    var bytes: UInt64 { blobs.reduce(0) { $0 + $1.bytes } + merged.reduce(0) { $0 + $1.bytes } }

    /// Adds what is needless but within its grace until so many bytes are freed in all, or nothing is left: merged
    /// disks first, since they are made anew without asking anyone, then layers that no image ever had, then images
    /// from the one that has been unpinned for longest.
    mutating func evict(until wanted: UInt64) {
        guard bytes < wanted else { return }
        var freed = bytes
        func isEnough(_ more: UInt64) -> Bool {
            freed += more
            return freed >= wanted
        }
        let known = Set(merged.map(\.id))
        for disk in snapshot.merged.filter({ isUnneeded($0) && !known.contains($0.id) })
            .sorted(by: { $0.usedAt < $1.usedAt })
        {
            merged.append(disk)
            early.insert("merged/\(disk.id.hex)")
            if isEnough(disk.bytes) { return }
        }
        for blob in snapshot.blobs.filter({ isFree($0) && $0.images.isEmpty && !$0.wasReferenced })
            .sorted(by: { $0.committedAt < $1.committedAt }) where !isOver(blob.committedAt)
        {
            blobs.append(blob)
            early.insert("blob/\(blob.key)")
            if isEnough(blob.bytes) { return }
        }
        evictImages(isEnough)
    }

    private mutating func evictImages(_ isEnough: (UInt64) -> Bool) {
        let candidates = snapshot.images.filter { $0.isUnneeded && !gone.contains($0.digest) }
            .sorted { ($0.unpinnedAt ?? snapshot.now) < ($1.unpinnedAt ?? snapshot.now) }
        let goable = gone.union(candidates.map(\.digest))
        // Layers that go once all of their images are gone, with how many of these are left.
        var left: [LayerKey: (blob: CollectionSnapshot.Blob, images: Int)] = [:]
        for blob in snapshot.blobs
        where isFree(blob) && !blob.images.isEmpty && blob.images.allSatisfy(goable.contains) {
            left[blob.key] = (blob, blob.images.count { !gone.contains($0) })
        }
        for image in candidates {
            let keys = Set(image.layers).filter { left[$0] != nil }
            // All that it has is needed by others: its going would free nothing.
            guard !keys.isEmpty else { continue }
            images.append(image)
            gone.insert(image.digest)
            early.insert("image/\(image.digest)")
            var freed: UInt64 = 0
            for key in keys.sorted() {
                guard let entry = left[key] else { continue }
                left[key]?.images -= 1
                guard entry.images == 1 else { continue }
                blobs.append(entry.blob)
                early.insert("blob/\(key)")
                freed += entry.blob.bytes
            }
            if isEnough(freed) { return }
        }
    }

    private func isOver(_ since: StoreTime?) -> Bool { since.map { $0 + ttl <= snapshot.now } ?? false }

    /// Whether nothing but images may need it.
    private func isFree(_ blob: CollectionSnapshot.Blob) -> Bool {
        blob.leases.isEmpty && blob.vms.isEmpty && roots.configs(naming: blob.key).isEmpty
    }

    private func isUnneeded(_ disk: CollectionSnapshot.Merged) -> Bool {
        disk.vms.isEmpty && roots.configs(namingMerged: disk.id).isEmpty
    }
}

extension CollectionSnapshot.Image {
    /// Whether nothing needs it now.
    fileprivate var isUnneeded: Bool { pins.isEmpty && boundVMs.isEmpty && unpinnedAt != nil }
}
