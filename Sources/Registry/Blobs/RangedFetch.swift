import OCI

/// Fetches the rest of a blob in ranges, several at once, and puts them into the channel in their order.
struct RangedFetch: Sendable {
    let session: RegistrySession
    let endpoint: Endpoint
    let descriptor: Descriptor
    let name: String
    let channel: ByteChannel

    /// A server that does not give ranges although it said so.
    private struct NoRanges: Error {}

    /// Brings the bytes from `start` on.
    ///
    /// - Returns: false when the server does not play along, with everything that came before in the channel.
    /// - Throws: what broke a range; everything that came before is in the channel.
    func run(from start: UInt64) async throws(RegistryError) -> Bool {
        let policy = session.configuration.ranges
        let count = Int((descriptor.size - start + policy.rangeBytes - 1) / policy.rangeBytes)
        let origin = Origin()
        do {
            try await withThrowingTaskGroup(of: (Int, [UInt8]).self) { group in
                var begun = 0
                var arrived: [Int: [UInt8]] = [:]
                func begin() {
                    guard begun < count else { return }
                    let index = begun
                    begun += 1
                    group.addTask {
                        let first = start + UInt64(index) * policy.rangeBytes
                        let last = min(first + policy.rangeBytes, descriptor.size) - 1
                        return (index, try await bytes(first, last, origin))
                    }
                }
                for _ in 0..<policy.connections { begin() }
                for index in 0..<count {
                    while arrived[index] == nil, let (other, bytes) = try await group.next() {
                        arrived[other] = bytes
                    }
                    guard let bytes = arrived.removeValue(forKey: index), await channel.putAll(bytes) else {
                        throw RegistryError(
                            .cancelled,
                            "\(name): stopped while it was fetched",
                            isTransient: true
                        )
                    }
                    begin()
                }
            }
            return true
        } catch is NoRanges { return false } catch let error as RegistryError { throw error } catch {
            throw RegistryError(.cancelled, "\(name): stopped while it was fetched", isTransient: true)
        }
    }

    /// Where a redirect led, so that the registry is not asked for each range anew.
    private actor Origin {
        private(set) var url: HTTPURL?

        func note(_ url: HTTPURL) { self.url = url }
    }

    private func bytes(_ first: UInt64, _ last: UInt64, _ origin: Origin) async throws -> [UInt8] {
        var call = Call(
            subject: name,
            kind: "blobs",
            target: descriptor.digest.description,
            headers: [("Range", "bytes=\(first)-\(last)")],
            bodyLimit: Int(last - first + 1),
            hasOwnConnection: true
        )
        call.foreignURL = await origin.url
        let response: HTTPResponse
        do throws(RegistryError) { response = try await session.exchange(call, at: endpoint) } catch {
            // Everything instead of the range is longer than the range.
            if error.code == .limitExceeded { throw NoRanges() }
            throw error
        }
        guard response.status == 206 else {
            // An address that was signed for a while may have become stale: asked from the start, it is renewed.
            if call.foreignURL == nil, response.status != 200, response.status != 416 {
                throw session.error(response, endpoint, name)
            }
            throw NoRanges()
        }
        guard let range = response.headers["content-range"].flatMap({ ContentRange($0) }),
            range.first == first,
            range.last == last, range.total ?? descriptor.size == descriptor.size,
            UInt64(response.body.count) == last - first + 1
        else { throw NoRanges() }
        if let url = response.url, url.origin != endpoint.base.origin { await origin.note(url) }
        return response.body
    }
}

extension ByteChannel {
    /// Puts all of the bytes, waiting for room; false once the reader has gone.
    func putAll(_ bytes: [UInt8]) async -> Bool {
        var rest = bytes[...]
        while !rest.isEmpty {
            let piece = rest.prefix(32 << 10)
            let reception = await withCheckedContinuation { continuation in
                let reception = piece.withUnsafeBytes {
                    put($0) { continuation.resume(returning: Reception.full) }
                }
                if reception != .full { continuation.resume(returning: reception) }
            }
            switch reception {
            case .taken: rest = rest.dropFirst(piece.count)
            case .full: continue
            case .refused: return false
            }
        }
        return true
    }
}
