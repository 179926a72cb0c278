import GarbageCollection
import Host
import ImageBackend
import OCI
import Store
import Synchronization
import SystemPackage

/// A backend that commits the files themselves as blobs, to the real store, and does as it is told.
final class StubImages: Images {
    private struct State {
        var requests: [ImportRequest] = []
        var pulls: [PullRequest] = []
        var remote: [String: String] = [:]
        var failures: [String: [ImageError]] = [:]
        var hooks: [String: @Sendable () async throws -> Void] = [:]
        var running = 0
        var mostRunning = 0
    }

    private let store: Store
    private let state = Mutex(State())
    let type = "stub"

    init(store: Store) { self.store = store }

    /// The sources of the imports so far, in order.
    var imported: [String] { state.withLock { $0.requests.map { String($0.source.rawValue.dropFirst(6)) } } }
    /// The imports so far.
    var requests: [ImportRequest] { state.withLock { $0.requests } }
    /// How many imports ever ran at once.
    var mostRunning: Int { state.withLock { $0.mostRunning } }

    /// The references of the pulls so far, in order.
    var pulled: [String] { pulls.map(\.reference.description) }
    /// The pulls so far.
    var pulls: [PullRequest] { state.withLock { $0.pulls } }

    /// Puts an image with this content into the registry.
    func publish(_ reference: String, _ content: String) {
        state.withLock { $0.remote[reference] = content }
    }

    /// Makes the next imports of an item, or pulls of a reference, fail.
    func fail(_ item: String, _ errors: ImageError...) { state.withLock { $0.failures[item] = errors } }

    /// Runs something in the middle of each import of an item: after its files are read, before the image is there.
    func during(_ item: String, _ hook: (@Sendable () async throws -> Void)?) {
        state.withLock { $0.hooks[item] = hook }
    }

    func `import`(_ request: ImportRequest, tracker: any Tracker) async throws(ImageError) -> Image {
        let item = String(request.source.rawValue.dropFirst(6))
        let (failure, hook) = state.withLock { state in
            state.requests.append(request)
            state.running += 1
            state.mostRunning = max(state.mostRunning, state.running)
            let failure = state.failures[item].flatMap { $0.isEmpty ? nil : $0[0] }
            if failure != nil { state.failures[item]?.removeFirst() }
            return (failure, state.hooks[item])
        }
        defer { state.withLock { $0.running -= 1 } }
        if let failure { throw failure }
        do {
            let contents = try request.files.map { path in
                guard let bytes = try AtomicFile.read(path) else {
                    throw FileError("read", path, .noSuchFileOrDirectory)
                }
                return bytes
            }
            let digests = contents.map { Digest.sha256(of: $0) }
            for (index, promised) in request.promisedDigests.enumerated() where promised != nil {
                guard promised == digests[index] else {
                    throw ImageError(.digestMismatch, "\(request.files[index]) is not what was promised")
                }
            }
            if let bad = contents.firstIndex(where: { $0.starts(with: "bad".utf8) }) {
                throw ImageError(.notATar, "\(request.files[bad]) is no tar file")
            }
            try await hook?()
            try Task.checkCancellation()
            let name = try request.naming.map { try $0.reference().description } ?? request.name
            var image = try await commit([name], request.source, contents, digests)
            image.imported = ImportReport(
                inputDigests: digests,
                claimed: [name],
                bytesRead: UInt64(contents.reduce(0) { $0 + $1.count }),
                bytesAdded: 1,
                deadBytes: 0,
                warnings: []
            )
            return image
        } catch let error as ImageError {
            throw error
        } catch is CancellationError {
            throw ImageError(.cancelled, "cancelled")
        } catch {
            throw ImageError(.io, "\(error)")
        }
    }

    private func commit(
        _ references: [String],
        _ source: Source,
        _ contents: [[UInt8]],
        _ digests: [Digest]
    ) async throws -> Image {
        let workspace = try await store.openWorkspace("stub")
        for (bytes, digest) in zip(contents, digests) {
            let file = workspace.path.appending("blob")
            try AtomicFile.write(bytes, to: file)
            _ = try await store.commitBlob(
                BlobRecord(
                    key: LayerKey(diffID: digest),
                    sha256: digest,
                    size: UInt64(bytes.count),
                    tarSize: 0,
                    entries: 1,
                    hasOpaqueRoot: false,
                    minimumGuestKernel: "5.4",
                    writer: "stub",
                    options: "",
                    boot: BootListing()
                ),
                file: file,
                bootDirectory: nil,
                compressed: nil,
                in: workspace
            )
        }
        let manifest = digests.map(\.hex).joined(separator: "\n")
        let record = ImageRecord(
            digest: Digest.sha256(of: manifest.utf8),
            manifest: manifest,
            configDigest: Digest.sha256(of: "config \(manifest)".utf8),
            config: "config \(manifest)",
            indexDigests: [],
            platform: "linux/amd64",
            layers: digests.map { .init(key: LayerKey(diffID: $0), digest: $0, size: 1) },
            created: nil
        )
        try await store.commitImage(
            record,
            references: references,
            source: source,
            replacing: true
        )
        await workspace.close()
        let layout = store.layout
        return Image(
            references: references,
            digest: record.digest,
            configDigest: record.configDigest,
            platform: record.platform,
            layers: digests.map {
                .init(
                    diffID: $0,
                    key: LayerKey(diffID: $0),
                    digest: $0,
                    path: layout.blob(LayerKey(diffID: $0)).string,
                    bytes: 1
                )
            },
            kernel: nil,
            initrd: nil,
            size: 1,
            created: nil,
            pins: [source],
            boundVMs: []
        )
    }

    func pull(_ request: PullRequest, tracker: any Tracker) async throws(ImageError) -> Image {
        let name = request.reference.description
        let (failure, hook, content) = state.withLock { state in
            state.pulls.append(request)
            state.running += 1
            state.mostRunning = max(state.mostRunning, state.running)
            let failure = state.failures[name].flatMap { $0.isEmpty ? nil : $0[0] }
            if failure != nil { state.failures[name]?.removeFirst() }
            return (failure, state.hooks[name], state.remote[name])
        }
        defer { state.withLock { $0.running -= 1 } }
        if let failure { throw failure }
        do {
            try await hook?()
            try Task.checkCancellation()
            guard let content else {
                throw ImageError(.notFound, "the registry has no \(name)")
            }
            let digest = Digest.sha256(of: content.utf8)
            let before = try await store.pins(ofSourcesStartingWith: request.source.rawValue)
            var image = try await commit(request.references, request.source, [Array(content.utf8)], [digest])
            image.pulled = PullReport(
                resolved: image.digest,
                isUnchanged: before[request.source]?.contains(image.digest) == true,
                layerBytes: UInt64(content.utf8.count),
                bytesFetched: UInt64(content.utf8.count)
            )
            return image
        } catch let error as ImageError {
            throw error
        } catch is CancellationError {
            throw ImageError(.cancelled, "cancelled")
        } catch { throw ImageError(.io, "\(error)") }
    }

    func inspect(_ query: String) async throws(ImageError) -> Image? { nil }
    func list() async throws(ImageError) -> [Image] { [] }
    func delete(_ queries: [String]) async throws(ImageError) -> [String] { [] }
    func config(_ vms: [VMImage]) async throws(ImageError) -> [VMConfiguration] { [] }
    var gcModule: any Module { NoModule() }
    func mergedDisk(of image: Digest, keys: [LayerKey]) async throws(ImageError) -> MergedDisk {
        throw ImageError(.unsupported, "no merging here")
    }
    func presentMergedDisk(keys: [LayerKey]) async throws(ImageError) -> MergedDisk? { nil }
    func registerGC(_ orchestrator: Orchestrator) async {}

    private struct NoModule: Module {
        let name = "stub"
        func snapshot() async throws -> Int { 0 }
        func resolve(_ snapshot: Int, others: Snapshots) throws -> [Candidate] { [] }
        func collect(_ candidates: [Candidate]) async throws -> [Collected] { [] }
    }
}
