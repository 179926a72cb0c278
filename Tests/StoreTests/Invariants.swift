import Host
import OCI
import SystemPackage
import Testing

@testable import Store

/// What must hold after anything, once a store was opened anew.
func expectInvariants(
    of layout: StoreLayout,
    _ label: String,
    sourceLocation: SourceLocation = #_sourceLocation
) async throws {
    let store = try Store(layout: layout)
    let problems = try await store.verifyBlobs()
    #expect(problems.isEmpty, "\(label): rows without sound files", sourceLocation: sourceLocation)
    let merged = try await store.verifyMergedDisks()
    #expect(merged.isEmpty, "\(label): merged disks", sourceLocation: sourceLocation)
    for image in try await store.images() {
        for layer in image.record.layers {
            let blob = try await store.blob(layer.key, leasedBy: nil)
            #expect(
                blob != nil,
                "\(label): \(image.record.digest) lacks \(layer.key)",
                sourceLocation: sourceLocation
            )
        }
        #expect(
            try exists(layout.image(image.record.digest)),
            "\(label): no document",
            sourceLocation: sourceLocation
        )
    }
    try await store.collectOrphans()
    let orphans = try await store.collectionSnapshot().orphans
    #expect(orphans.isEmpty, "\(label): files without rows", sourceLocation: sourceLocation)
    #expect(try Directory.names(in: layout.temp).isEmpty, "\(label): temp", sourceLocation: sourceLocation)
    #expect(try Directory.names(in: layout.trash).isEmpty, "\(label): trash", sourceLocation: sourceLocation)
    let isBehind = try await store.index.read { db in try Sidecars.anyStale(db) }
    #expect(!isBehind, "\(label): documents behind", sourceLocation: sourceLocation)
}
