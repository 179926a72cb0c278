import Foundation
import OCI
import Store

/// A try that failed, or an item that was refused.
struct FailedTry {
    var source: Source
    /// What the item is known by as it is now.
    var identity: String
    /// What was remembered of it: the images that it has stay.
    var before: SourceRecord?
    /// Tries in a row.
    var attempts: Int
    /// How long until the next; nil: none before the item changes.
    var delay: Duration?
    var code: String
    var message: String
}

extension Store {
    /// Remembers that a try failed.
    ///
    /// - Returns: when the next one will be, for people.
    func remember(_ failure: FailedTry) async throws -> String? {
        let now = try await tick()
        try await setSource(
            SourceRecord(
                source: failure.source,
                identity: failure.identity,
                digest: failure.before?.digest,
                image: failure.before?.image,
                furtherImages: failure.before?.furtherImages ?? [],
                state: .failed,
                attempts: failure.attempts,
                nextTry: failure.delay.map { now + $0 },
                errorCode: failure.code,
                message: failure.message
            )
        )
        return failure.delay.map { Receipt.text(Date(timeIntervalSinceNow: $0 / .seconds(1))) }
    }

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
