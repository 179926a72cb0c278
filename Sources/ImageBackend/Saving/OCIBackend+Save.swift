import Archives
public import Host
import OCI
import Store
import SystemPackage

extension OCIBackend {
    /// Where an archive goes.
    public enum SaveOutput: Sendable {
        /// An empty regular file, open for reading and writing. What a failed save leaves in it is of no use.
        case file(File)
        /// A pipe, or whatever takes bytes in order.
        case stream(File)
    }

    /// Writes images as one archive: an OCI layout in a tar. The same images of the same blobs are the same bytes.
    ///
    /// Layers that are tars are written from the blobs and so have other diffIDs than before, as a rule: the image in the
    /// archive then has another config and digest, but unpacks to the same tree. Through a stream they take a file in the
    /// store's temporary folder, as large as the archive.
    ///
    /// - Throws: ``ImageError``: `notFound` for no such image or a lost blob; `checkFailed` for a damaged one; `noSpace`.
    public func save(
        _ request: SaveRequest,
        to output: SaveOutput,
        tracker: any Tracker
    ) async throws(ImageError) -> SaveReport {
        let workspace = try await withStore("opening a workspace") { try await store.openWorkspace("save") }
        do {
            let plan = try await plan(request, in: workspace)
            let result = try await write(plan, to: output, in: workspace, tracker)
            await workspace.close()
            tracker.report(ProgressEvent(phase: .done, layers: plan.blobs.count))
            return report(plan, result)
        } catch {
            await workspace.close()
            throw ImageError(error, during: "saving \(request.images.joined(separator: ", "))")
        }
    }

    /// Looks the images up and leases their blobs.
    private func plan(_ request: SaveRequest, in workspace: Workspace) async throws -> SavePlan {
        var plan = SavePlan(request.form)
        for query in request.images {
            guard let found = try await find(query) else {
                throw ImageError(.notFound, "there is no image '\(query)'")
            }
            var blobs: [BlobRecord] = []
            for (position, layer) in found.record.layers.enumerated() {
                guard let blob = try await store.blob(layer.key, leasedBy: workspace) else {
                    throw ImageError(
                        .notFound,
                        "the store has lost layer \(position) of \(query); import or pull the image again"
                    )
                }
                blobs.append(blob)
            }
            try plan.add(found.record, blobs, references: Self.references(query, found.references))
        }
        return plan
    }

    /// The reference that a query is, of those that the image has; all of them where it is a digest.
    private static func references(_ query: String, _ references: [String]) -> [String] {
        let asked = ((try? candidates(query)) ?? []).map(\.description)
        let match = asked.first { references.contains($0) }
        return match.map { [$0] } ?? references
    }

    private func write(
        _ plan: SavePlan,
        to output: SaveOutput,
        in workspace: Workspace,
        _ tracker: any Tracker
    ) async throws -> ArchiveSave.Result {
        let configuration = configuration
        @Sendable func save(_ cancellation: Cancellation) -> ArchiveSave {
            ArchiveSave(
                plan: plan,
                configuration: configuration,
                tracker: tracker,
                cancellation: cancellation
            )
        }
        switch (plan.form, output) {
        case (.native, .file(let file)), (.native, .stream(let file)):
            return try await onThread(named: "save") { try save($0).writeNative(to: FileSink(file)) }
        case (.tar(let compression), .file(let file)):
            return try await onThread(named: "save") {
                try save($0).writeTars(to: file, compression: compression)
            }
        case (.tar(let compression), .stream(let stream)):
            // At most as much as all tars are together; compressed it will be less.
            let bytes = plan.blobs.reduce(UInt64(0)) { $0 &+ $1.tarSize }
            let claim = try await space.claim(bytes, for: "saving to \(stream.path)")
            do {
                let path = workspace.path.appending("archive.tar")
                let result = try await onThread(named: "save") { cancellation in
                    let file = try File(path, .readWrite, options: [.create, .exclusiveCreate])
                    let result = try save(cancellation).writeTars(to: file, compression: compression)
                    try FileRangeSource(file: file).copy(to: stream, cancellation) { _ in }
                    return result
                }
                await space.release(claim)
                return result
            } catch {
                await space.release(claim)
                throw error
            }
        }
    }

    private func report(_ plan: SavePlan, _ result: ArchiveSave.Result) -> SaveReport {
        SaveReport(
            images: zip(plan.images, result.manifests).map { image, digest in
                SaveReport.Image(
                    references: image.references,
                    digest: image.record.digest,
                    savedDigest: digest,
                    layers: image.layers.map { place in
                        SaveReport.Layer(
                            diffID: plan.blobs[place].key.diffID,
                            savedDiffID: result.layers[place].diffID,
                            digest: result.layers[place].digest,
                            mediaType: plan.mediaType,
                            bytes: result.layers[place].size
                        )
                    }
                )
            },
            bytes: result.bytes,
            warnings: result.warnings
        )
    }
}
