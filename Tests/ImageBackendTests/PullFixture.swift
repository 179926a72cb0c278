import Host
import Logging
import OCI
import Store
import SystemPackage
import TestSupport

@testable import ImageBackend
@testable import Registry

/// A backend that pulls from the tests' registries, and waits for nothing longer than it must.
struct PullFixture {
    let folder: TemporaryDirectory
    let store: Store
    let backend: OCIBackend

    /// - Parameter base: the fixture whose store is used again, as by another process.
    init(
        again base: PullFixture? = nil,
        limits: LayerLimits = LayerLimits(),
        reserve: UInt64 = 0,
        downloads: Int = 6,
        change: (inout ClientConfiguration) -> Void = { _ in }
    ) throws {
        folder = try base?.folder ?? TemporaryDirectory("pull")
        var registry = ClientConfiguration(
            registriesFile: "/nonexistent/registries.yaml",
            environment: [:],
            downloads: downloads,
            downloadsPerRegistry: downloads
        )
        registry.credentialFiles = []
        registry.retries = RetryPolicy(
            attempts: 2,
            firstDelay: .milliseconds(10),
            longestDelay: .milliseconds(20)
        )
        registry.stallTimeout = .seconds(2)
        change(&registry)
        let config = OCIBackend.Config(
            store: StoreLayout(root: folder.appending("store")),
            downloads: downloads,
            reserve: reserve,
            registry: registry,
            unpinnedTTL: .zero,
            limits: limits
        )
        store = try Store(layout: config.store)
        backend = OCIBackend(config: config, store: store, logger: Logger(label: "test"))
    }

    @discardableResult
    func pull(
        _ text: String,
        platform: Platform? = nil,
        alias: String? = nil,
        policy: PullRequest.Policy = .always,
        source: Source = .hand,
        tracker: any Tracker = SilentTracker()
    ) async throws -> Image {
        let request = PullRequest(
            try Reference(parsing: text),
            platform: platform,
            alias: try alias.map { try Reference(parsing: $0) },
            policy: policy,
            source: source
        )
        return try await backend.pull(request, tracker: tracker)
    }

    /// The error that a pull fails with.
    func failure(_ text: String, policy: PullRequest.Policy = .always) async -> ImageError? {
        do {
            try await pull(text, policy: policy)
            return nil
        } catch { return error as? ImageError }
    }

    /// What lies in `store/partial`, with sizes.
    func partials() throws -> [String: UInt64] {
        var found: [String: UInt64] = [:]
        for name in try Directory.names(in: store.layout.partial) {
            found[name.string] = try FileStatus.of(store.layout.partial.appending(name))?.size
        }
        return found
    }

    /// What lies in `store/temp`.
    func workspaces() throws -> [String] { try Directory.names(in: store.layout.temp).map(\.string) }
}

extension FaultyRegistry {
    /// How often each blob was asked for with GET, by digest.
    func fetches() throws -> [String: Int] {
        let blobs = try requests().filter { $0.method == "GET" && $0.path.contains("/blobs/") }
        return Dictionary(grouping: blobs) { String($0.path.split(separator: "/").last ?? "") }
            .mapValues(\.count)
    }
}
