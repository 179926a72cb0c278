import Foundation
import Host
import ImageBackend
import Logging
import OCI
import Store

extension Inbox {
    /// Records what came of an import: in the store, in its receipt, and in the log.
    func record(_ work: InboxPlan.Import, _ outcome: ImportJob.Outcome) async throws {
        let name = work.item.name
        switch outcome {
        case .imported(let images, let digest): try await recordSuccess(work, images, digest)
        case .same(let images, let digest):
            for image in images where try await store.imageDigest(knownAs: image) == nil {
                // The digest was remembered, the image is not there any more: without the digest it is imported.
                try await store.removeSource(.inbox(name))
                return
            }
            for image in images { try await store.pin(image, by: .inbox(name)) }
            try await recordSame(work, images, digest)
        case .changed(let isCommitted):
            // Whatever was read of it is of no state that the file was ever meant to have.
            if isCommitted { try await discard(name) }
            say(.info, name, "changed while it was read: starting over")
        case .gone: try await release(name, work.record?.image)
        case .failed(let error): try await recordFailure(work, error)
        case .cancelled:
            // Of an item that nothing is remembered of, nothing may go on saying that it runs.
            if work.record == nil { await receipts.remove(name) }
            if !jobs.isStopping { say(.info, name, "import stopped: the item changed or went away") }
        }
    }

    /// Forgets what an import of a changing file committed.
    private func discard(_ name: String) async throws {
        try await store.release(.inbox(name))
        try await store.removeSource(.inbox(name))
    }

    private func recordSuccess(_ work: InboxPlan.Import, _ images: [Image], _ digest: Digest?) async throws {
        let name = work.item.name
        guard let first = images.first else { return }
        let attempts = (work.record?.attempts ?? 0) + 1
        try await store.setSource(
            SourceRecord(
                source: .inbox(name),
                identity: work.item.identity,
                digest: digest,
                image: first.digest,
                furtherImages: images.dropFirst().map(\.digest),
                state: .done,
                attempts: attempts
            )
        )
        let references = images.flatMap(\.claimed)
        let conflicts = try await conflicts(over: references, of: name)
        let reports = images.compactMap(\.imported)
        let timings = jobs.timings(of: name)
        var receipt = Receipt(
            item: name,
            state: .done,
            references: references,
            digest: first.digest,
            layers: first.receiptLayers,
            bytes: .init(
                input: work.item.size,
                read: reports.reduce(0) { $0 + $1.bytesRead },
                added: reports.reduce(0) { $0 + $1.bytesAdded },
                dead: reports.reduce(0) { $0 + $1.deadBytes }
            ),
            timings: timings,
            warnings: reports.flatMap(\.warnings) + conflicts,
            attempts: attempts
        )
        if images.count > 1 {
            receipt.images = images.map {
                .init(digest: $0.digest, references: $0.claimed, layers: $0.receiptLayers)
            }
        }
        receipt.duplicateOf = try await store.sources(pinning: first.digest).map(\.rawValue).first {
            $0.hasPrefix(Source.inboxPrefix) && $0 != Source.inbox(name).rawValue
        }
        await receipts.put(receipt)
        say(
            .info,
            name,
            receipt.duplicateOf.map { "imported: the same image as \($0)" } ?? "imported",
            [
                "ref": "\(references.joined(separator: ","))",
                "image": "\(images.map(\.digest.description).joined(separator: ","))",
                "layers": "\(images.reduce(0) { $0 + $1.layers.count })", "bytes": "\(work.item.size)",
                "seconds": "\(timings?.seconds ?? 0)",
            ]
        )
        for warning in receipt.warnings { say(.warning, name, warning) }
        log.forget(.inbox(name))
    }

    /// Which other sources claim the same references for other images.
    private func conflicts(over references: [String], of name: String) async throws -> [String] {
        var warnings: [String] = []
        let own = Source.inbox(name)
        for (reference, claims) in Dictionary(
            grouping: try await store.claims(on: references),
            by: \.reference
        )
        .sorted(by: { $0.key < $1.key }) {
            let image = claims.first { $0.source == own }?.image
            let others = claims.filter { $0.source != own && $0.image != image }
            guard let winner = claims.first, !others.isEmpty else { continue }
            let list = others.map(\.source.rawValue).joined(separator: ", ")
            warnings.append(
                "\(reference) is claimed by \(own) and by \(list) for another image: it means what \(winner.source) says"
            )
        }
        return warnings
    }

    private func recordSame(_ work: InboxPlan.Import, _ images: [Digest], _ digest: Digest) async throws {
        let name = work.item.name
        try await store.setSource(
            SourceRecord(
                source: .inbox(name),
                identity: work.item.identity,
                digest: digest,
                image: images.first,
                furtherImages: Array(images.dropFirst()),
                state: .done,
                attempts: 1
            )
        )
        say(
            .info,
            name,
            "has the content that was imported before",
            ["ref": "\(work.name)", "image": "\(images.map(\.description).joined(separator: ","))"]
        )
        var receipt = Receipt(
            item: name,
            state: .done,
            bytes: .init(input: work.item.size),
            timings: jobs.timings(of: name),
            attempts: 1
        )
        try await describe(images, in: &receipt)
        await receipts.put(receipt)
    }

    private func recordFailure(_ work: InboxPlan.Import, _ error: ImageError) async throws {
        let name = work.item.name
        let old = work.record
        // What was tried before the item changed does not count.
        let attempts = (old?.identity == work.item.memory ? old?.attempts ?? 0 : 0) + 1
        let delay = error.isTransient ? Backoff().delay(afterAttempts: attempts, using: &generator) : nil
        let nextTry = try await store.remember(
            FailedTry(
                source: .inbox(name),
                identity: work.item.memory,
                before: old,
                attempts: attempts,
                delay: delay,
                code: error.code.rawValue,
                message: error.message
            )
        )
        await receipts.put(
            Receipt(
                item: name,
                state: .failed,
                errorCode: error.code.rawValue,
                message: error.message,
                references: work.reference.map { [$0] } ?? [],
                bytes: .init(input: work.item.size),
                timings: jobs.timings(of: name),
                attempts: attempts,
                nextTry: nextTry
            )
        )
        say(
            .error,
            name,
            "import failed: \(error.message)",
            [
                "ref": "\(work.name)", "error_code": "\(error.code.rawValue)", "attempt": "\(attempts)",
                "nextTry": "\(nextTry ?? "when the file changes, or 'slipway retry inbox/\(name)'")",
            ]
        )
    }
}

extension Image {
    /// The references that were claimed for it just now.
    fileprivate var claimed: [String] { imported.map(\.claimed) ?? references }

    fileprivate var receiptLayers: [Receipt.Layer] {
        layers.map { .init(diffID: $0.diffID, key: $0.key, bytes: $0.bytes) }
    }
}
