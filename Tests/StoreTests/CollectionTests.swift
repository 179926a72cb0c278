import GRDB
import Host
import OCI
import SystemPackage
import Testing

@testable import Store

@Suite("Collecting garbage")
struct CollectionTests {
    let fixture: StoreFixture
    var store: Store { fixture.store }
    var layout: StoreLayout { fixture.layout }

    init() throws { fixture = try StoreFixture() }

    private func collectBlobs(before time: StoreTime? = nil) async throws -> [LayerKey] {
        let keys = try await store.collectionSnapshot().blobs.map(\.key)
        return try await store.collectBlobs(keys, committedBefore: time).map(\.0)
    }

    @Test("an image goes only without pins and bindings, and after its grace")
    func images() async throws {
        let image = try await fixture.image("i", ["a"], references: ["r"], source: .inbox("i"))
        let end = StoreTime(nanoseconds: .max)
        #expect(try await store.collectImages([image.digest], unpinnedBefore: end).isEmpty, "pinned")
        try await store.setVM(StoreFixture.vm("vm", image))
        try await store.release(.inbox("i"))
        #expect(try await store.collectImages([image.digest], unpinnedBefore: end).isEmpty, "bound")
        try await store.removeVM("vm")
        let since = try #require(try await store.image(image.digest)?.unpinnedAt)
        let before = since + .nanoseconds(-1)
        #expect(
            try await store.collectImages([image.digest], unpinnedBefore: before).isEmpty,
            "within its grace"
        )
        #expect(try await store.collectImages([image.digest], unpinnedBefore: since) == [image.digest])
        #expect(
            try await collectBlobs(before: StoreTime(nanoseconds: -1)) == [StoreFixture.key("a")],
            "at once"
        )
        try await expectInvariants(of: layout, "all collected")
        #expect(try !exists(layout.blob(StoreFixture.key("a"))))
    }

    @Test("a blob that another image, a VM or a live workspace needs stays")
    func roots() async throws {
        let image = try await fixture.image("i", ["image", "vm"], source: .inbox("i"))
        try await fixture.image("j", ["image"], source: .hand)
        let workspace = try await store.openWorkspace("holds")
        try await fixture.commit("leased", in: workspace)
        try await store.setVM(StoreFixture.vm("vm", image))
        #expect(try await collectBlobs().isEmpty)
        let snapshot = try await store.collectionSnapshot()
        let leased = snapshot.blobs.first { $0.key == StoreFixture.key("leased") }
        #expect(leased?.leases == [workspace.id])
        #expect(snapshot.vms["vm"] == image.layers.map(\.key))
        try await store.removeVM("vm")
        #expect(try await store.removeImage(image.digest))
        await workspace.close()
        #expect(try await Set(collectBlobs()) == [StoreFixture.key("vm"), StoreFixture.key("leased")])
    }

    @Test("a blob that never had an image stays for a while after its commit")
    func unreferenced() async throws {
        let workspace = try await store.openWorkspace("import")
        try await fixture.commit("a", in: workspace)
        await workspace.close()
        fixture.machine.advance(.seconds(10))
        let now = try await store.tick()
        #expect(try await collectBlobs(before: now + .seconds(-11)).isEmpty)
        #expect(try await collectBlobs(before: now + .seconds(-9)) == [StoreFixture.key("a")])
    }

    @Test("a blob that a hypervisor locks stays, row and file")
    func locked() async throws {
        let workspace = try await store.openWorkspace("import")
        try await fixture.commit("a", in: workspace)
        await workspace.close()
        let disk = try File(layout.blob(StoreFixture.key("a")), .readOnly)
        #expect(try disk.tryLock(exclusive: false))
        #expect(try await collectBlobs().isEmpty)
        #expect(try exists(layout.blob(StoreFixture.key("a"))))
        withExtendedLifetime(disk) {}
    }

    @Test("a collection that fails puts back what it had moved")
    func rollsBack() async throws {
        let workspace = try await store.openWorkspace("import")
        for word in ["a", "b"] { try await fixture.commit(word, boot: ["vmlinuz"], in: workspace) }
        await workspace.close()
        let second = [StoreFixture.key("a"), StoreFixture.key("b")].sorted()[1]
        try await store.index.write { db in
            try db.execute(
                sql: """
                    CREATE TRIGGER refuse BEFORE DELETE ON blobs WHEN old.key = '\(second)'
                    BEGIN SELECT raise(ABORT, 'refused'); END
                    """
            )
        }
        #expect(try await storeError { _ = try await collectBlobs() }?.code == .index)
        for word in ["a", "b"] {
            #expect(try await store.blob(StoreFixture.key(word), leasedBy: nil) != nil)
        }
        #expect(try Directory.names(in: layout.trash).isEmpty)
    }

    @Test("opening puts back what was trashed while its row survived, and deletes the rest of the trash")
    func putBack() async throws {
        let image = try await fixture.image("i", ["a"])
        let key = StoreFixture.key("a")
        _ = try Trash.move(layout.blob(key), to: layout.trash, as: .blob, id: key.description)
        _ = try Trash.move(layout.blobSidecar(key), to: layout.trash, as: .sidecar, id: key.description)
        try StoreFixture.write([1], to: layout.trash.appending("blob~\(StoreFixture.key("x"))~1"))
        try StoreFixture.write([1], to: layout.trash.appending("whatever"))
        #expect(try await store.blob(key, leasedBy: nil) == nil)
        let other = try fixture.reopened()
        #expect(try await other.blob(key, leasedBy: nil) != nil)
        #expect(try exists(layout.blobSidecar(key)))
        #expect(try Directory.names(in: layout.trash).isEmpty)
        #expect(try await other.image(image.digest) != nil)
    }

    @Test("a lookup that leases finds what a killed collection left in the trash")
    func healsOnLookup() async throws {
        try await fixture.image("i", ["a"])
        let key = StoreFixture.key("a")
        _ = try Trash.move(layout.blob(key), to: layout.trash, as: .blob, id: key.description)
        let workspace = try await store.openWorkspace("import")
        #expect(try await store.blob(key, leasedBy: workspace) != nil)
    }

    @Test("content without a row is removed, names that the store never makes are not")
    func orphans() async throws {
        try await fixture.image("i", ["a"])
        let shard = layout.blob(StoreFixture.key("a")).removingLastComponent()
        let orphan = shard.appending("\(StoreFixture.key("x")).erofs")
        let foreign = shard.appending("README")
        let document = layout.images.appending("\(Digest.sha256(of: [4]).hex).json")
        let unfinished = layout.images.appending(".x.json.1.2.tmp")
        for path in [orphan, foreign, document, unfinished] { try StoreFixture.write([1], to: path) }
        let boot = layout.bootDirectory(StoreFixture.key("x"))
        try Directory.create(boot)
        let kinds = try await store.collectOrphans().map(\.kind).sorted()
        #expect(kinds == ["blob", "boot", "image", "unfinished"])
        for path in [orphan, document, unfinished, boot] { #expect(try !exists(path)) }
        #expect(try exists(foreign))
        #expect(try await store.verifyBlobs().isEmpty)
    }

    @Test("a partial download goes once it has stood still for its time, unless somebody is at it")
    func partials() async throws {
        let digest = Digest.sha256(of: "layer".utf8)
        let (idle, locked) = (layout.partial.appending("idle"), layout.partial.appending(digest.hex))
        for path in [idle, locked] { try StoreFixture.write([1], to: path) }
        let owner = try #require(try await store.lockPartial(digest))
        #expect(try await store.collectOrphans(partialTTL: .seconds(10)).isEmpty)
        fixture.machine.advance(.seconds(6))
        try StoreFixture.write([1, 2], to: idle)
        #expect(try await store.collectOrphans(partialTTL: .seconds(10)).isEmpty)
        fixture.machine.advance(.seconds(6))
        #expect(try await store.collectOrphans(partialTTL: .seconds(10)).isEmpty, "it changed 6 seconds ago")
        fixture.machine.advance(.seconds(6))
        #expect(try await store.collectOrphans(partialTTL: .seconds(10)).map(\.kind) == ["partial"])
        #expect(try !exists(idle) && exists(locked))
        #expect(owner.path == locked)
    }

    @Test("a download is one task's at a time; its lock leaves nothing behind, also after a kill")
    func partialLock() async throws {
        let digest = Digest.sha256(of: "layer".utf8)
        var owner = try await store.lockPartial(digest)
        #expect(owner != nil)
        #expect(try await store.lockPartial(digest) == nil)
        #expect(try await store.lockPartial(Digest.sha256(of: "other".utf8)) != nil)
        owner = nil
        #expect(try Directory.names(in: layout.partial).isEmpty)
        owner = try await store.lockPartial(digest)
        let path = try #require(owner?.path)
        try StoreFixture.write([1], to: path)
        try owner?.remove()
        owner = nil
        #expect(try Directory.names(in: layout.partial).isEmpty)

        try StoreFixture.write([], to: layout.partial.appending("\(digest.hex).lock"))
        #expect(try await store.lockPartial(digest) != nil)
        try StoreFixture.write([], to: layout.partial.appending("\(digest.hex).lock"))
        try await store.collectOrphans()
        #expect(try Directory.names(in: layout.partial).isEmpty)
    }
}
