import Archives
import OCI

/// Finds out what a reference means: index, manifest and config, each verified, and the layers by their kinds.
struct Resolver: Sendable {
    let session: RegistrySession
    let reference: Reference
    let platform: Platform

    private static let accepted = [
        MediaType.ociIndex, .ociManifest, .dockerIndex, .dockerManifest,
    ].map(\.rawValue).joined(separator: ", ")

    /// What the tag means now, by one request where the registry says the digest without the manifest.
    static func digest(_ reference: Reference, _ session: RegistrySession) async throws(RegistryError)
        -> Digest
    {
        if let digest = reference.digest { return digest }
        let tag = reference.tag ?? "latest"
        let call = Call(
            subject: "\(reference)",
            method: .head,
            kind: "manifests",
            target: tag,
            headers: [("Accept", accepted)]
        )
        let known: Digest? = try await session.rounds(reference) { endpoint throws(RegistryError) in
            let response = try await session.exchange(call, at: endpoint)
            switch response.status {
            case 200: return response.headers["docker-content-digest"].flatMap { Digest($0) }
            // Registries that do not know HEAD say so in many ways; GET tells more in any case.
            case 400, 405, 501: return nil
            default: throw session.error(response, endpoint, "\(reference)")
            }
        }
        if let known { return known }
        let resolver = Resolver(session: session, reference: reference, platform: .host)
        return try await resolver.document(tag, digest: nil, size: nil, depth: 0).digest
    }

    /// The image for the platform.
    func image() async throws(RegistryError) -> RemoteImage {
        var indexDigests: [Digest] = []
        var offered: Platform?
        var target = reference.digest?.description ?? reference.tag ?? "latest"
        var digest = reference.digest
        var size: UInt64?
        while true {
            let found = try await document(target, digest: digest, size: size, depth: indexDigests.count)
            switch found.document {
            case .manifest(let manifest):
                return try await image(manifest, found, indexDigests, offered)
            case .index(let index):
                guard indexDigests.count < ResolutionLimits.indexDepth else {
                    throw RegistryError(
                        .limitExceeded,
                        "\(reference): indexes lie more than \(ResolutionLimits.indexDepth) deep in one another"
                    )
                }
                indexDigests.append(found.digest)
                let entry = try choose(from: index)
                offered = entry.platform
                (target, digest, size) = (entry.digest.description, entry.digest, entry.size)
            }
        }
    }

    /// The entry that suits the platform best; of equals the one with native layers, should the caller like those.
    private func choose(from index: Index) throws(RegistryError) -> Descriptor {
        var usable = index
        usable.manifests.removeAll { entry in
            !entry.mediaType.isIndex && !entry.mediaType.isManifest || entry.isAttestation
                || !Set(entry.platform?.osFeatures ?? []).isSubset(of: [Self.nativeFeature])
        }
        let isNative = { (entry: Descriptor) in
            entry.platform?.osFeatures?.contains(Self.nativeFeature) == true
        }
        let liked = usable.manifests.filter { isNative($0) == session.configuration.prefersNativeLayers }
        let others = usable.manifests.filter { isNative($0) != session.configuration.prefersNativeLayers }
        usable.manifests = liked + others
        if let entry = usable.manifest(for: platform) { return entry }
        if let entry = usable.manifests.first(where: { $0.platform == nil }) { return entry }
        let platforms = index.platforms.filter { $0.os != "unknown" }.map(\.description)
        let found =
            platforms.isEmpty
            ? ""
            : "; it exists for \(Set(platforms).sorted().map { printable($0.utf8) }.joined(separator: ", "))"
        throw RegistryError(.noMatchingPlatform, "\(reference) does not exist for \(platform)\(found)")
    }

    /// What an index says of an image whose layers are EROFS images.
    private static let nativeFeature = "erofs"

    private struct Found {
        var document: ManifestDocument
        var digest: Digest
        var bytes: [UInt8]
    }

    /// Fetches and verifies a manifest or index.
    private func document(
        _ target: String,
        digest promised: Digest?,
        size: UInt64?,
        depth: Int
    ) async throws(RegistryError) -> Found {
        let subject = depth == 0 ? "\(reference)" : "\(reference) (\(target))"
        let call = Call(
            subject: subject,
            kind: "manifests",
            target: target,
            headers: [("Accept", Self.accepted)],
            bodyLimit: ResolutionLimits.manifestBytes
        )
        return try await session.rounds(reference) { endpoint throws(RegistryError) in
            let response = try await session.exchange(call, at: endpoint)
            guard response.status == 200 else { throw session.error(response, endpoint, subject) }
            if let type = response.headers["content-type"].map({ MediaType(rawValue: $0) }), type.isSchema1 {
                throw RegistryError(
                    .unsupported,
                    "\(subject): \(endpoint.name) has it in Docker's schema 1 only, which is not supported; "
                        + "push it again with a current tool"
                )
            }
            let digest = Digest.sha256(of: response.body)
            let said = response.headers["docker-content-digest"].flatMap { Digest($0) }
            for expected in [promised, said].compactMap({ $0 }) where expected != digest {
                throw RegistryError(
                    .digestMismatch,
                    "\(subject): what \(endpoint.name) sent has the digest \(digest), not the \(expected) promised; "
                        + "a cache before it may be broken"
                )
            }
            if let size, size != UInt64(response.body.count) {
                throw RegistryError(
                    .sizeMismatch,
                    "\(subject): \(endpoint.name) sent \(response.body.count) bytes, the index says \(size)"
                )
            }
            do throws(MalformedDocument) {
                return Found(
                    document: try ManifestDocument(json: response.body),
                    digest: digest,
                    bytes: response.body
                )
            } catch { throw malformed(error, subject) }
        }
    }

    private func image(
        _ manifest: Manifest,
        _ found: Found,
        _ indexDigests: [Digest],
        _ offered: Platform?
    ) async throws(RegistryError) -> RemoteImage {
        guard manifest.config.mediaType.isImageConfig else {
            let type = manifest.artifactType ?? manifest.config.mediaType.rawValue
            throw RegistryError(
                .unsupported,
                "\(reference) is no image but an artifact of the type '\(printable(type.utf8))'"
            )
        }
        let limit = session.configuration.imageLayers
        guard manifest.layers.count <= limit else {
            throw RegistryError(
                .limitExceeded,
                "\(reference) has \(manifest.layers.count) layers; \(limit) are allowed (store.limits.imageLayers)"
            )
        }
        let configBytes = try await configBytes(manifest.config)
        let config: ImageConfig
        do {
            config = try ImageConfig(json: configBytes)
            try config.checkLayers(of: manifest)
        } catch { throw malformed(error, "\(reference)") }
        let actual = config.platform ?? offered ?? platform
        guard platform.matches(actual) else {
            throw RegistryError(
                .noMatchingPlatform,
                "\(reference) is an image for \(printable(actual.description.utf8)), not for \(platform)"
            )
        }
        var layers: [RemoteLayer] = []
        for (position, (descriptor, diffID)) in zip(manifest.layers, config.diffIDs).enumerated() {
            layers.append(try layer(descriptor, diffID, position: position))
        }
        return RemoteImage(
            reference: reference,
            indexDigests: indexDigests,
            manifestDigest: found.digest,
            manifestBytes: found.bytes,
            manifest: manifest,
            configBytes: configBytes,
            config: config,
            platform: actual,
            layers: layers
        )
    }

    private func configBytes(_ descriptor: Descriptor) async throws(RegistryError) -> [UInt8] {
        let subject = "the config \(descriptor.digest) of \(reference)"
        guard descriptor.size <= UInt64(ResolutionLimits.configBytes) else {
            throw RegistryError(
                .limitExceeded,
                "\(subject) has \(descriptor.size) bytes; \(ResolutionLimits.configBytes) are allowed"
            )
        }
        let call = Call(
            subject: subject,
            kind: "blobs",
            target: "\(descriptor.digest)",
            bodyLimit: Int(descriptor.size)
        )
        return try await session.rounds(reference) { endpoint throws(RegistryError) in
            let response: HTTPResponse
            do throws(RegistryError) { response = try await session.exchange(call, at: endpoint) } catch {
                guard error.code == .limitExceeded else { throw error }
                throw RegistryError(
                    .sizeMismatch,
                    "\(subject): \(endpoint.name) sent more than the \(descriptor.size) bytes promised"
                )
            }
            guard response.status == 200 else { throw session.error(response, endpoint, subject) }
            let digest = Digest.sha256(of: response.body)
            guard digest == descriptor.digest, UInt64(response.body.count) == descriptor.size else {
                throw RegistryError(
                    .digestMismatch,
                    "\(subject): what \(endpoint.name) sent has the digest \(digest) and \(response.body.count) bytes, "
                        + "not the \(descriptor.size) promised; push the image again"
                )
            }
            return response.body
        }
    }

    private func layer(
        _ descriptor: Descriptor,
        _ diffID: Digest,
        position: Int
    ) throws(RegistryError) -> RemoteLayer {
        let type = descriptor.mediaType
        let name = "layer \(position) (\(descriptor.digest)) of \(reference)"
        func refuse(_ problem: String) -> RegistryError {
            RegistryError(.unsupported, "\(name) \(problem): '\(printable(type.rawValue.utf8))'")
        }
        if type.isEncrypted { throw refuse("is encrypted, and no keys are known here") }
        guard type.isTarLayer || type.isErofsLayer else { throw refuse("is of a type that is not read") }
        guard let compression = type.compression else {
            throw refuse("is compressed in a way that is not read")
        }
        let urls = descriptor.urls ?? []
        if type.isNonDistributable {
            guard !urls.isEmpty else {
                throw refuse("may not be handed on by registries, and does not say where to get it")
            }
            guard session.configuration.allowsForeignLayers else {
                throw refuse(
                    "may not be handed on by registries; fetching it from where its urls point is not allowed here"
                )
            }
        }
        return RemoteLayer(
            descriptor: descriptor,
            diffID: diffID,
            kind: type.isErofsLayer ? .erofs(compression) : .tar(compression),
            urls: type.isNonDistributable ? urls : []
        )
    }

    private func malformed(_ error: MalformedDocument, _ subject: String) -> RegistryError {
        let isUnsupported = error.problem.contains("not supported")
        return RegistryError(
            isUnsupported ? .unsupported : .malformed,
            "\(subject): \(printable(error.description.utf8, limit: 512))"
        )
    }
}

extension RegistrySession {
    /// What a response means that is not the one hoped for.
    func error(_ response: HTTPResponse, _ endpoint: Endpoint, _ subject: String) -> RegistryError {
        RegistryError(response, host: endpoint.name, subject: subject, retryAfter: retryAfter(response))
    }
}
