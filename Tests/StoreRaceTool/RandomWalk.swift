import OCI
import Store

/// Imports, pins, binds, lets go and collects at random. What it must never see: a layer that it leases, gone.
/// Little is wanted for long, so that there is always something to collect while another process imports it.
struct RandomWalk {
    let store: Store
    private var random: SplitMix

    init(store: Store, seed: UInt64) {
        self.store = store
        random = SplitMix(state: seed)
    }

    mutating func run(for duration: Duration) async throws {
        let clock = ContinuousClock()
        let end = clock.now + duration
        var steps = 0
        while clock.now < end {
            try await step()
            steps += 1
        }
        print("\(steps) steps")
    }

    private mutating func step() async throws {
        let number = Int.random(in: 0..<6, using: &random)
        let image = Samples.image(number, layers: [number, number + 1, (number * 5) % 7])
        let source = Source.inbox("\(Int.random(in: 0..<2, using: &random))")
        let vm = "vm-\(Int.random(in: 0..<3, using: &random))"
        switch Int.random(in: 0..<10, using: &random) {
        case 0, 1, 2: try await make(image, number, for: source, collecting: Bool.random(using: &random))
        case 3: try await store.release(source)
        case 4:
            await ignoring([.notFound]) { try await store.pin(image.digest, by: .hand) }
            if Bool.random(using: &random) { try await store.unpin(image.digest, by: .hand) }
            try await store.unpin(Samples.image((number + 1) % 6, layers: []).digest, by: .hand)
        case 5:
            let merged = MergedRecord.id(of: image.layers.map(\.key))
            let record = VMRecord(
                name: vm,
                request: "\(vm).json",
                requestDigest: .sha256(of: [1]),
                reference: "x",
                image: image.digest,
                keys: image.layers.map(\.key),
                merged: Bool.random(using: &random) ? merged : nil
            )
            // A merged disk may have been collected, or not been made.
            await ignoring(record.merged == nil ? [.notFound] : [.notFound, .missingBlob]) {
                try await store.setVM(record)
            }
            if Int.random(in: 0..<4, using: &random) > 0 { try await store.removeVM(vm) }
        default: try await collect()
        }
    }

    private func make(_ image: ImageRecord, _ number: Int, for source: Source, collecting: Bool) async throws
    {
        let workspace = try await store.openWorkspace("race")
        for layer in [number, number + 1, (number * 5) % 7] {
            try await Samples.commit(layer, to: store, in: workspace)
        }
        // A collection between the layers and their image must leave them, whoever runs it.
        if collecting { try await collect() }
        try await store.commitImage(
            image,
            references: ["localhost/\(number):x"],
            source: source,
            replacing: true
        )
        _ = try await Samples.commitMerged(image, to: store, in: workspace)
        await workspace.close()
    }

    private func collect() async throws {
        let snapshot = try await store.collectionSnapshot()
        _ = try await store.collectImages(snapshot.images.map(\.digest), unpinnedBefore: snapshot.now)
        _ = try await store.collectBlobs(snapshot.blobs.map(\.key), committedBefore: nil)
        _ = try await store.collectMergedDisks(snapshot.merged.map(\.id), unusedSince: snapshot.now)
        try await store.collectOrphans()
    }

    private func ignoring(_ codes: [StoreError.Code], _ body: () async throws -> Void) async {
        do { try await body() } catch let error as StoreError where codes.contains(error.code) {
            return
        } catch { fatalError("\(error)") }
    }
}

/// Steele, Lea and Flood's SplitMix64: small, seeded.
struct SplitMix: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}
