import OCI
import Store

extension Store {
    /// Forgets what became of a source's item, so that the next pass tries it again; what it pins stays.
    ///
    /// - Returns: false when nothing is remembered of it.
    func forgetOutcome(of source: Source) async throws -> Bool {
        guard var record = try await sources().first(where: { $0.source == source }) else { return false }
        record.state = .waiting
        record.attempts = 0
        record.nextTry = nil
        record.errorCode = nil
        record.message = nil
        try await setSource(record)
        return true
    }

    /// An image's layers as a receipt shows them; none where there is no image.
    func receiptLayers(of image: Digest?) async throws -> [Receipt.Layer] {
        guard let image else { return [] }
        var layers: [Receipt.Layer] = []
        for layer in try await self.image(image)?.record.layers ?? [] {
            let size = try await blob(layer.key, leasedBy: nil)?.size ?? 0
            layers.append(Receipt.Layer(diffID: layer.key.diffID, key: layer.key, bytes: size))
        }
        return layers
    }
}
