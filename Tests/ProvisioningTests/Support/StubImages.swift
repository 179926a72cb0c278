import GarbageCollection
import ImageBackend
import OCI
import Store
import Synchronization
import SystemPackage

/// A backend whose references the test moves by hand; its layers are in a real store.
final class StubImages: Images {
    /// An image as the stub knows it.
    struct Entry: Sendable {
        var record: ImageRecord
        var hasKernel: Bool
    }

    private let layout: StoreLayout
    private let entries = Mutex<[Digest: Entry]>([:])
    private let references = Mutex<[String: Digest]>([:])
    private let failure = Mutex<ImageError?>(nil)
    private let merged = Mutex<Set<Digest>>([])
    private let mergeFailure = Mutex<ImageError?>(nil)
    /// What makes the index know of a merged disk, as the backend would.
    let commitMerged = Mutex<(@Sendable ([LayerKey]) async throws -> Void)?>(nil)
    /// How often a merged disk was asked for.
    let mergeCalls = Atomic<Int>(0)
    /// How often configs were asked for.
    let configCalls = Atomic<Int>(0)

    init(layout: StoreLayout) { self.layout = layout }

    func add(_ record: ImageRecord, hasKernel: Bool) {
        entries.withLock { $0[record.digest] = Entry(record: record, hasKernel: hasKernel) }
    }

    /// Makes a reference mean an image, or nothing.
    func point(_ reference: String, at image: ImageRecord?) {
        references.withLock { $0[reference] = image?.digest }
    }

    /// Makes every merging fail.
    func failMerging(with error: ImageError?) { mergeFailure.withLock { $0 = error } }

    private func makeMerged(_ keys: [LayerKey]) async throws(ImageError) -> MergedDisk {
        let commit = commitMerged.withLock { $0 }
        do { try await commit?(keys) } catch { throw ImageError(.io, "\(error)") }
        let id = MergedRecord.id(of: keys)
        _ = merged.withLock { $0.insert(id) }
        return disk(id)
    }

    private func disk(_ id: Digest) -> MergedDisk {
        let storage = StorageConfig(path: layout.mergedDisk(id), isReadOnly: true, serial: "merged")
        return MergedDisk(id: id, storage: storage, bytes: 4096)
    }

    /// Makes every question fail.
    func fail(with error: ImageError?) { failure.withLock { $0 = error } }

    var type: String { "stub" }
    var gcModule: any Module { StubModule() }
    func mergedDisk(of image: Digest, keys: [LayerKey]) async throws(ImageError) -> MergedDisk {
        mergeCalls.add(1, ordering: .relaxed)
        if let failure = mergeFailure.withLock({ $0 }) { throw failure }
        return try await makeMerged(keys)
    }
    func presentMergedDisk(keys: [LayerKey]) async throws(ImageError) -> MergedDisk? {
        let id = MergedRecord.id(of: keys)
        return merged.withLock { $0.contains(id) } ? disk(id) : nil
    }
    func registerGC(_ orchestrator: Orchestrator) async {}
    func list() async throws(ImageError) -> [Image] { [] }
    func delete(_ queries: [String]) async throws(ImageError) -> [String] { [] }

    func pull(_ request: PullRequest, tracker: any Tracker) async throws(ImageError) -> Image {
        throw ImageError(.unsupported, "no pulling here")
    }

    func `import`(_ request: ImportRequest, tracker: any Tracker) async throws(ImageError) -> Image {
        throw ImageError(.unsupported, "no importing here")
    }

    func inspect(_ query: String) async throws(ImageError) -> Image? {
        if let failure = failure.withLock({ $0 }) { throw failure }
        guard let digest = references.withLock({ $0[query] }) ?? Digest(query),
            let entry = entries.withLock({ $0[digest] })
        else { return nil }
        return Image(
            references: [query],
            digest: digest,
            configDigest: entry.record.configDigest,
            platform: "linux/amd64",
            layers: [],
            kernel: nil,
            initrd: nil,
            size: 0,
            created: nil,
            pins: [],
            boundVMs: []
        )
    }

    func config(_ vms: [VMImage]) async throws(ImageError) -> [VMConfiguration] {
        configCalls.add(1, ordering: .relaxed)
        var result: [VMConfiguration] = []
        for vm in vms { result.append(try await configuration(of: vm)) }
        return result
    }

    private func configuration(of vm: VMImage) async throws(ImageError) -> VMConfiguration {
        let digest: Digest?
        switch vm.selection {
        case .query(let query): digest = try await inspect(query)?.digest
        case .bound(let image, _): digest = image
        }
        guard let digest, let entry = entries.withLock({ $0[digest] }) else {
            throw ImageError(.notFound, "VM \(vm.name): no such image", isTransient: true)
        }
        let keys = entry.record.layers.map(\.key)
        return VMConfiguration(
            image: digest,
            keys: keys,
            storage: keys.enumerated().map {
                StorageConfig(path: layout.blob($0.element), isReadOnly: true, serial: "layer\($0.offset)")
            },
            boot: entry.hasKernel
                ? BootConfig(kernelPath: "/boot/vmlinuz", initrdPath: "/boot/initrd.img") : nil,
            imageConfig: "{}"
        )
    }
}

/// Collects nothing.
struct StubModule: Module {
    var name: String { "stub" }
    func snapshot() async throws -> Int { 0 }
    func resolve(_ snapshot: Int, others: Snapshots) throws -> [Candidate] { [] }
    func collect(_ candidates: [Candidate]) async throws -> [Collected] { [] }
}
