import Logging
import OCI
import Store

extension OCIBackend {
    /// The blobs of an image in a form that the guests' kernel mounts: those that need a newer one are written anew, each
    /// in the place of the old one. The caller waits for that: it happens once after the setting was lowered.
    ///
    /// - Parameter keys: the image's layers, bottom first.
    func withinGuestKernel(
        _ blobs: [BlobRecord],
        _ keys: [LayerKey],
        of image: Digest
    ) async throws(ImageError) -> [BlobRecord] {
        guard blobs.contains(where: configuration.isBeyondGuests) else { return blobs }
        logger.notice(
            "layers of \(image) need a newer Linux than \(configuration.guestKernel): writing them anew"
        )
        let workspace = try await withStore("opening a workspace") { try await store.openWorkspace("remake") }
        do {
            let finisher = LayerFinisher(self, workspace: workspace)
            let records = try await withThrowingTaskGroup(of: (Int, BlobRecord).self) { group in
                for (position, key) in keys.enumerated() {
                    group.addTask {
                        let layer = try await finisher.layer(at: position) {
                            guard let record = try await self.store.blob(key, leasedBy: workspace) else {
                                throw ImageError(.notFound, "the store has lost layer \(key) of \(image)")
                            }
                            return .stored(record)
                        }
                        return (position, layer.blob)
                    }
                }
                var records: [(Int, BlobRecord)] = []
                for try await record in group { records.append(record) }
                return records.sorted { $0.0 < $1.0 }.map(\.1)
            }
            await workspace.close()
            guard records.map(\.key) == keys else {
                throw ImageError(
                    .store,
                    "layers of \(image) written anew have other keys; import the image again"
                )
            }
            return records
        } catch {
            await workspace.close()
            throw ImageError(error, during: "writing layers of \(image) anew")
        }
    }
}
