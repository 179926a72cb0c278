public import Host
public import Logging
public import OCI

/// A client of OCI registries (distribution-spec 1.1; Docker's registry API version 2).
///
/// All that it keeps is in memory: connections, tokens, which mirrors are dead. It may be used from many tasks at
/// once; bounds hold over all of them.
public final class RegistryClient: Sendable {
    private let session: RegistrySession
    private let downloads: TransferLimiter
    private let requests: TransferLimiter

    /// Small requests at once, in all and at one registry.
    private static let requestLimit = 16
    private static let requestLimitPerRegistry = 8

    /// Creates a client. Nothing is read and nobody is asked before the first call.
    ///
    /// - Throws: ``RegistryError`` when the system has no thread left.
    public init(_ configuration: ClientConfiguration, logger: Logger) throws(RegistryError) {
        session = try RegistrySession(configuration, logger: logger)
        downloads = TransferLimiter(
            limit: configuration.downloads,
            perRegistry: configuration.downloadsPerRegistry
        )
        requests = TransferLimiter(limit: Self.requestLimit, perRegistry: Self.requestLimitPerRegistry)
    }

    /// What is wrong with `registries.yaml` as it is now, as far as it was looked at; nil when nothing is.
    public var configurationProblem: String? { session.registries.problem }

    /// What a reference means now: the digest of its index or manifest. One small request; none for a reference that
    /// has a digest. To be compared with the digest that was pulled.
    ///
    /// - Throws: ``RegistryError``.
    public func digest(of reference: Reference) async throws(RegistryError) -> Digest {
        try Self.refuseLocal(reference)
        if let digest = reference.digest { return digest }
        let permit = try await permit(requests, reference)
        defer { withExtendedLifetime(permit) {} }
        return try await Resolver.digest(reference, session)
    }

    /// What a reference means for a platform: manifest and config, verified, and the layers.
    ///
    /// - Throws: ``RegistryError``.
    public func resolve(
        _ reference: Reference,
        platform: Platform = .host
    ) async throws(RegistryError) -> RemoteImage {
        try Self.refuseLocal(reference)
        let permit = try await permit(requests, reference)
        defer { withExtendedLifetime(permit) {} }
        return try await Resolver(session: session, reference: reference, platform: platform).image()
    }

    /// Begins to fetch a layer; returns once there is room for it among the downloads, which it takes until its last
    /// byte came or it goes away. To be called when its reader is ready.
    ///
    /// - Parameters:
    ///   - partial: Open for reading and writing, by whoever may write it alone. What it holds is read first, what
    ///     arrives is appended, so that a later call goes on from there; it is emptied when its bytes prove to be
    ///     wrong. It stays when the download is complete: whoever has used the bytes removes it.
    ///   - cancellation: Once set, reading fails within a tenth of a second.
    /// - Throws: ``RegistryError``.
    public func download(
        _ layer: RemoteLayer,
        of reference: Reference,
        partial: File? = nil,
        cancellation: Cancellation = Cancellation()
    ) async throws(RegistryError) -> BlobDownload {
        try Self.refuseLocal(reference)
        let permit = try await permit(downloads, reference)
        let channel = ByteChannel(capacity: session.configuration.bufferBytes)
        let name = "layer \(layer.descriptor.digest) of \(reference)"
        let fetch = BlobFetch(
            session: session,
            reference: reference,
            descriptor: layer.descriptor,
            name: name,
            foreignURLs: layer.urls.compactMap { HTTPURL($0) },
            channel: channel
        )
        do {
            return try BlobDownload(
                layer.descriptor,
                name: name,
                partial: partial,
                channel: channel,
                cancellation: cancellation
            ) { offset in
                Task {
                    await fetch.run(from: offset)
                    withExtendedLifetime(permit) {}
                }
            }
        } catch { throw RegistryError(error) }
    }

    private func permit(
        _ limiter: TransferLimiter,
        _ reference: Reference
    ) async throws(RegistryError) -> TransferPermit {
        do { return try await limiter.permit(for: reference.domain) } catch {
            throw RegistryError(.cancelled, "\(reference): stopped before its turn came", isTransient: true)
        }
    }

    private static func refuseLocal(_ reference: Reference) throws(RegistryError) {
        guard reference.isLocal else { return }
        throw RegistryError(
            .unsupported,
            "\(reference) is an image of this host and comes from no registry; import it from a tar file"
        )
    }
}
