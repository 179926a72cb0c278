import Glibc
import OCI
import Store

/// A fixed story that touches everything once: commit, bind, let go, collect.
struct Story {
    let store: Store

    func run() async throws {
        let image = Samples.image(0, layers: [0, 1])
        let workspace = try await store.openWorkspace("story")
        try await Samples.commit(0, to: store, in: workspace)
        say("blob 0")
        try await Samples.commit(1, to: store, in: workspace)
        try await store.commitImage(
            image,
            references: ["localhost/a:latest"],
            source: .inbox("a.tar"),
            replacing: true
        )
        say("image")
        let merged = try await Samples.commitMerged(image, to: store, in: workspace)
        await workspace.close()
        say("merged")
        try await store.setVM(
            VMRecord(
                name: "vm",
                request: "vm.json",
                requestDigest: .sha256(of: [1]),
                reference: "a",
                image: image.digest,
                keys: image.layers.map(\.key),
                merged: merged
            )
        )
        say("bound")
        _ = try await store.tick()
        try await store.release(.inbox("a.tar"))
        try await store.removeVM("vm")
        say("free")
        let snapshot = try await store.collectionSnapshot()
        _ = try await store.collectImages(snapshot.images.map(\.digest), unpinnedBefore: snapshot.now)
        _ = try await store.collectBlobs(snapshot.blobs.map(\.key), committedBefore: nil)
        _ = try await store.collectMergedDisks(snapshot.merged.map(\.id), unusedSince: snapshot.now)
        try await store.collectOrphans()
        say("collected")
    }

    /// Straight to the descriptor: a killed process loses what its buffers hold.
    private func say(_ line: String) {
        let bytes = Array("\(line)\n".utf8)
        _ = bytes.withUnsafeBytes { write(1, $0.baseAddress, $0.count) }
    }
}
