import Logging
import OCI
import Store
import SystemPackage

extension OCIBackend {
    /// The image that a query names: a reference or short name, a digest, or a unique prefix of 12 or more hex
    /// digits of one; nil when there is none.
    ///
    /// - Throws: ``ImageError``; `ambiguous` lists the images that a prefix fits.
    public func inspect(_ query: String) async throws(ImageError) -> Image? {
        guard let found = try await find(query) else { return nil }
        return try await image(found)
    }

    /// Every image, sorted by its first reference.
    public func list() async throws(ImageError) -> [Image] {
        try await withStore("listing images") {
            let images = try await store.images()
            let blobs = try await blobs(Array(Set(images.flatMap { $0.record.layers.map(\.key) })))
            let byKey = Dictionary(uniqueKeysWithValues: blobs.map { ($0.key, $0) })
            return images.map { image($0, byKey) }
                .sorted { ($0.references.first ?? "~", $0.digest) < ($1.references.first ?? "~", $1.digest) }
        }
    }

    /// Deletes images. Does not ask whether an input still wants them; a VM that is bound to one keeps it.
    ///
    /// - Returns: the queries that named an image, which is gone now.
    /// - Throws: ``ImageError``; `inUse` names the VMs that are bound to an image.
    public func delete(_ queries: [String]) async throws(ImageError) -> [String] {
        var deleted: [String] = []
        for query in queries {
            guard let found = try await find(query) else {
                logger.warning("no such image, nothing deleted", metadata: ["ref": "\(query)"])
                continue
            }
            guard found.boundVMs.isEmpty else {
                throw ImageError(
                    .inUse,
                    "\(query) is what these VMs boot from: \(found.boundVMs.joined(separator: ", "))"
                )
            }
            if try await withStore("deleting \(query)", { try await store.removeImage(found.record.digest) })
            {
                deleted.append(query)
            }
        }
        return deleted
    }

    /// Looks an image up by whatever names it.
    func find(_ query: String) async throws(ImageError) -> StoredImage? {
        guard let digest = try await digest(of: query) else { return nil }
        return try await withStore("looking up \(query)") { try await store.image(digest) }
    }

    /// The digest of the image that a query names, as ``inspect(_:)`` takes it; nil when there is none. Reads nothing else
    /// of it.
    public func digest(of query: String) async throws(ImageError) -> Digest? {
        try await withStore("looking up \(query)") {
            if let digest = Digest(query) { return try await store.imageDigest(knownAs: digest) }
            let hex = query.hasPrefix("sha256:") ? String(query.dropFirst(7)) : query
            let isHex = hex.utf8.allSatisfy { (48...57).contains($0) || (97...102).contains($0) }
            if isHex, (12...64).contains(hex.utf8.count) {
                let matches = try await store.imageDigests(prefix: hex)
                guard matches.count <= 1 else { throw try await ambiguity(of: query, hex) }
                if let match = matches.first { return match }
            }
            if query.hasPrefix("sha256:") { return nil }
            for reference in try Self.candidates(query) {
                // A digest says it all: the tag beside it is for people.
                let digest =
                    if let digest = reference.digest {
                        try await store.imageDigest(knownAs: digest)
                    } else {
                        try await store.imageDigest(reference: reference.description)
                    }
                if let digest { return digest }
            }
            return nil
        }
    }

    private func ambiguity(of query: String, _ hex: String) async throws -> ImageError {
        let list = try await store.images(digestPrefix: hex).map { image in
            "\(image.record.digest) (\(image.references.first ?? "no reference"))"
        }
        return ImageError(
            .ambiguous,
            "\(query) fits several images: \(list.joined(separator: ", ")); write more digits"
        )
    }

    static func candidates(_ query: String) throws(ImageError) -> [Reference] {
        do {
            _ = try Reference(parsing: query)
        } catch {
            throw ImageError(.invalidReference, "'\(query)' names no image: \(error)")
        }
        return Reference.candidates(for: query)
    }

    /// The image as it is shown, by its digest.
    func image(_ digest: Digest) async throws(ImageError) -> Image? {
        guard let stored = try await withStore("reading \(digest)", { try await store.image(digest) }) else {
            return nil
        }
        return try await image(stored)
    }

    private func image(_ stored: StoredImage) async throws(ImageError) -> Image {
        let blobs = try await blobs(stored.record.layers.map(\.key))
        return image(stored, Dictionary(blobs.map { ($0.key, $0) }) { first, _ in first })
    }

    private func image(_ stored: StoredImage, _ blobs: [LayerKey: BlobRecord]) -> Image {
        let layers = stored.record.layers
        let attached = AttachedLayers(layers.compactMap { blobs[$0.key] })
        let boot = BootSelection(attached.merged.map { ($0.key, $0.boot) })
        return Image(
            references: stored.references,
            digest: stored.record.digest,
            configDigest: stored.record.configDigest,
            platform: stored.record.platform,
            layers: layers.map {
                Image.Layer(
                    diffID: $0.key.diffID,
                    key: $0.key,
                    digest: $0.digest,
                    path: configuration.blobPath($0.key).string,
                    bytes: blobs[$0.key]?.size ?? 0
                )
            },
            kernel: boot.map { configuration.kernelPath($0.kernel.layer, named: $0.kernel.name).string },
            initrd: boot.map { configuration.initrdPath($0.initrd.layer, named: $0.initrd.name).string },
            size: stored.size,
            created: stored.record.created,
            pins: stored.pins,
            boundVMs: stored.boundVMs,
            imported: nil
        )
    }

    /// The records of blobs, in the order asked for; keys without one are left out.
    func blobs(_ keys: [LayerKey]) async throws(ImageError) -> [BlobRecord] {
        try await withStore("reading layers") {
            var records: [BlobRecord] = []
            for key in keys {
                if let record = try await store.blob(key, leasedBy: nil) { records.append(record) }
            }
            return records
        }
    }
}
