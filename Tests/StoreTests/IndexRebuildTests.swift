import Host
import OCI
import SystemPackage
import TestSupport
import Testing

@testable import Store

@Suite("Rebuilding the index")
struct IndexRebuildTests {
    let fixture: StoreFixture

    /// Two images that share a layer, two claims on one reference, a VM, a pin by hand.
    init() async throws {
        fixture = try StoreFixture()
        let (store, fixture) = (fixture.store, fixture)
        let workspace = try await store.openWorkspace("import")
        try await fixture.commit("a", boot: ["vmlinuz"], compressed: .sha256(of: [1]), in: workspace)
        let old = try await fixture.image("old", ["a", "b"], references: ["r"], source: .inbox("1"))
        try await fixture.image("new", ["a"], references: ["r"], source: .inbox("2"))
        try await store.pin(old.digest, by: .hand)
        try await store.setVM(StoreFixture.vm("vm", old))
        _ = try await store.tick()
        await workspace.close()
    }

    private func expectSame(_ store: Store) async throws {
        let (before, after) = (try await fixture.store.images(), try await store.images())
        #expect(after.map(\.record) == before.map(\.record))
        #expect(after.map(\.references) == before.map(\.references))
        #expect(after.map(\.boundVMs) == before.map(\.boundVMs))
        #expect(try await store.vms() == fixture.store.vms())
        #expect(try await store.claims().map(\.source) == [.inbox("2"), .inbox("1")])
        #expect(after.filter { $0.pins == [.hand] }.count == 1)
        #expect(
            after.filter { $0.unpinnedAt != nil }.count == 1,
            "what inbox and queue do not pin again has a grace"
        )
        #expect(try await store.diffID(ofCompressed: .sha256(of: [1])) == StoreFixture.key("a").diffID)
        try await expectInvariants(of: store.layout, "rebuilt")
    }

    @Test("a damaged index is set aside and rebuilt from the documents")
    func damaged() async throws {
        let layout = StoreLayout(root: fixture.folder.appending("copy"))
        try await copy(to: layout)
        try StoreFixture.write([UInt8](repeating: 0xEE, count: 8192), to: layout.database)
        #expect(try await storeError { _ = try Store(layout: layout) }?.code == .corruptIndex)
        let report = try await Store.rebuildIndex(layout: layout)
        #expect(report == RebuildReport(blobs: 2, images: 2, vms: 1, problems: []))
        #expect(try Directory.names(in: layout.root).contains { $0.string.hasPrefix("index.db.damaged-") })
        try await expectSame(try Store(layout: layout))
    }

    @Test("an index that somebody has open is not replaced: what they commit would be lost")
    func inUse() async throws {
        let error = try await storeError { _ = try await Store.rebuildIndex(layout: fixture.layout) }
        #expect(error?.code == .busy && error?.message.contains("open in another process") == true)
        #expect(try await fixture.store.images().count == 2)
        #expect(
            try !Directory.names(in: fixture.layout.root).contains { $0.string.contains("damaged") }
        )
    }

    @Test("a missing index is rebuilt on opening, before a collection could take content for orphans")
    func missing() async throws {
        let layout = StoreLayout(root: fixture.folder.appending("copy"))
        try await copy(to: layout)
        try await expectSame(try Store(layout: layout))
    }

    @Test("an image that lost a layer and a document that is nonsense are named and left out")
    func incomplete() async throws {
        let layout = StoreLayout(root: fixture.folder.appending("copy"))
        try await copy(to: layout)
        try Directory.unlink(layout.blob(StoreFixture.key("b")))
        try StoreFixture.write(Array("{".utf8), to: layout.image(.sha256(of: [5])))
        let report = try await Store.rebuildIndex(layout: layout)
        #expect(report.images == 1)
        #expect(report.problems.contains { $0.contains("lacks the layer \(StoreFixture.key("b"))") })
        #expect(report.problems.contains { $0.contains("cannot be understood") })
        #expect(try await Store(layout: layout).images().count == 1)
    }

    /// Copies everything but the index.
    private func copy(to layout: StoreLayout) async throws {
        try await check("cp", ["-a", fixture.layout.root.string, layout.root.string])
        for name in ["index.db", "index.db-wal", "index.db-shm"] {
            try Directory.unlink(layout.root.appending(name))
        }
    }
}
