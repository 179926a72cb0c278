import OCI

/// Brings a blob into a channel, from a byte on, through broken connections and tokens that expire.
struct BlobFetch: Sendable {
    let session: RegistrySession
    let reference: Reference
    let descriptor: Descriptor
    let name: String
    /// Where a foreign layer is; the registry is not asked for it.
    let foreignURLs: [HTTPURL]
    let channel: ByteChannel

    /// Runs to the blob's end, which the channel is told, or to the error that ends it.
    func run(from offset: UInt64) async {
        do throws(RegistryError) {
            if foreignURLs.isEmpty {
                try await session.rounds(reference, progress: { channel.received }) {
                    endpoint throws(RegistryError) in
                    try await attempt(at: endpoint, foreign: nil, from: offset)
                }
            } else {
                try await fetchForeign(from: offset)
            }
            channel.finish(nil)
        } catch { channel.finish(error) }
    }

    private func fetchForeign(from base: UInt64) async throws(RegistryError) {
        var last = RegistryError(.unsupported, "\(name) has no usable URL")
        for url in foreignURLs {
            // Credentials are the registry's business: no endpoint, no credentials.
            let endpoint = Endpoint(
                base: url,
                repository: reference.repository,
                namespace: nil,
                tls: try session.registries.current().tls(for: url)
            )
            do {
                return try await attempt(at: endpoint, foreign: url, from: base)
            } catch {
                guard error.code != .cancelled else { throw error }
                last = error
            }
        }
        throw last
    }

    /// One response, from where the channel stands. A server that gets ranges wrong is asked for everything instead.
    private func attempt(
        at endpoint: Endpoint,
        foreign: HTTPURL?,
        from base: UInt64
    ) async throws(RegistryError) {
        var usesRange = true
        var maySplit = foreign == nil
        while true {
            let offset = base + channel.received
            guard offset < descriptor.size else { return }
            var call = Call(
                subject: name,
                kind: "blobs",
                target: descriptor.digest.description,
                foreignURL: foreign
            )
            if offset > 0 && usesRange {
                // Closed: some servers answer an open range with everything.
                call.headers.append(("Range", "bytes=\(offset)-\(descriptor.size - 1)"))
            }
            let sink = sink(at: offset, maySplit: maySplit && usesRange)
            let response: HTTPResponse
            do { response = try await session.exchange(call, at: endpoint, into: sink) } catch {
                switch sink.refusal {
                case nil: throw error
                case .abandoned:
                    throw RegistryError(
                        .cancelled,
                        "\(name): stopped while it was fetched",
                        isTransient: true
                    )
                case .split:
                    defer { session.rangeBudget.giveBack() }
                    let ranged = RangedFetch(
                        session: session,
                        endpoint: endpoint,
                        descriptor: descriptor,
                        name: name,
                        channel: channel
                    )
                    if try await ranged.run(from: base + channel.received) { return }
                    maySplit = false
                    continue
                case .size(let size):
                    throw RegistryError(
                        .sizeMismatch,
                        "\(name): \(endpoint.name) has \(size) bytes or more of it, the manifest says \(descriptor.size); push the image again"
                    )
                case .range where usesRange && offset > 0:
                    usesRange = false
                    continue
                case .range(let range):
                    throw RegistryError(
                        .unavailable,
                        "\(name): \(endpoint.name) sends a range nobody asked for ('\(range.prefix(80))')"
                    )
                }
            }
            // The last byte came together with the decision.
            if sink.refusal == .split { session.rangeBudget.giveBack() }
            switch response.status {
            case 200, 206:
                guard base + channel.received == descriptor.size else {
                    throw RegistryError(
                        .unavailable,
                        "\(name): \(endpoint.name) ended after \(base + channel.received) of \(descriptor.size) bytes",
                        isTransient: true
                    )
                }
                return
            case 416 where usesRange && offset > 0: usesRange = false
            default:
                throw RegistryError(
                    response,
                    host: endpoint.name,
                    subject: name,
                    retryAfter: session.retryAfter(response)
                )
            }
        }
    }

    /// A sink that asks for ranges when one stream has shown that it is slow.
    private func sink(at offset: UInt64, maySplit: Bool) -> BlobSink {
        let policy = session.configuration.ranges
        let now = session.configuration.time.now
        let start = now()
        return BlobSink(into: channel, at: offset, of: descriptor.size) { [session, channel] rest in
            maySplit && rest >= policy.minimumRest
                && now() - start >= policy.patience.milliseconds * 1_000_000 && !channel.wasEverFull
                && session.rangeBudget.take()
        }
    }
}
