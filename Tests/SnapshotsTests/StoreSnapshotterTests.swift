import Host
import OCI
import Snapshots
import Store
import Synchronization
import SystemPackage
import TestSupport
import Testing

@Suite("Snapshots over the store")
struct StoreSnapshotterTests {
    @Test("are the layer stacks of images by ChainID, and VMs, parents before children")
    func walk() async throws {
        let fixture = try SnapshotsFixture()
        let image = try await fixture.image(["base", "app"])
        try await fixture.image(["base", "other"])
        _ = try await fixture.vm("web", on: image)

        let seen = Mutex<[SnapshotInfo]>([])
        try await fixture.snapshots.walk { info in seen.withLock { $0.append(info) } }
        let infos = seen.withLock { $0 }
        #expect(infos.count == 4)
        #expect(Set(infos.map(\.key)).count == 4)
        for (position, info) in infos.enumerated() {
            guard let parent = info.parent else { continue }
            #expect(infos[..<position].contains { $0.key == parent }, "\(info.key) came before its parent")
        }
        let base = SnapshotsFixture.key("base").diffID
        let app = Digest.sha256(of: Array("\(base) \(SnapshotsFixture.key("app").diffID)".utf8))
        #expect(infos.contains(SnapshotInfo(key: base.description, kind: .committed)))
        #expect(
            infos.contains(SnapshotInfo(key: app.description, kind: .committed, parent: base.description))
        )
        #expect(infos.contains(SnapshotInfo(key: "web", kind: .active, parent: app.description)))
    }

    @Test("tell what a snapshot is by its key")
    func stat() async throws {
        let fixture = try SnapshotsFixture()
        let image = try await fixture.image(["base", "app"])
        _ = try await fixture.vm("web", on: image)
        let chain = ChainID.all(image.layers.map(\.key.diffID))
        #expect(
            try await fixture.snapshots.stat(chain[1].description)
                == SnapshotInfo(key: chain[1].description, kind: .committed, parent: chain[0].description)
        )
        #expect(try await fixture.snapshots.stat("web").parent == chain[1].description)
        await #expect(throws: SnapshotError.notFound("nobody")) { try await fixture.snapshots.stat("nobody") }
        let unknown = Digest.sha256(of: []).description
        await #expect(throws: SnapshotError.notFound(unknown)) { try await fixture.snapshots.stat(unknown) }
    }

    @Test("attach layers bottom first, the writable disk last")
    func mounts() async throws {
        let fixture = try SnapshotsFixture()
        let image = try await fixture.image(["base", "app"])
        let disk = try await fixture.vm("web", on: image)
        let layers = ["base", "app"].map { fixture.store.layout.blob(SnapshotsFixture.key($0)).string }
        #expect(
            try await fixture.snapshots.mounts("web")
                == layers.map { Mount(type: "erofs", source: $0, options: ["ro"]) }
                + [Mount(type: "ext4", source: disk.string, options: ["rw"])]
        )
    }

    @Test("attach no empty layer, a repeated one once and topmost, and nothing below an opaque root")
    func attachedLayers() async throws {
        let fixture = try SnapshotsFixture()
        let image = try await fixture.image(["below", "opaque", "a", "empty", "b", "a"])
        let chain = try #require(ChainID.of(image.layers.map(\.key.diffID)))
        let sources = try await fixture.snapshots.mounts(chain.description).map(\.source)
        #expect(
            sources
                == ["opaque", "b", "a"].map { fixture.store.layout.blob(SnapshotsFixture.key($0)).string }
        )
    }

    @Test("count as their own what nothing below them has")
    func usage() async throws {
        let fixture = try SnapshotsFixture()
        let image = try await fixture.image(["base", "app"])
        let disk = try await fixture.vm("web", on: image)
        let allocated = try #require(try FileStatus.of(disk)).allocatedBytes
        #expect(try await fixture.snapshots.usage("web") == SnapshotUsage(bytes: allocated, inodes: 1))
        let chain = try #require(ChainID.of(image.layers.map(\.key.diffID)))
        #expect(try await fixture.snapshots.usage(chain.description).inodes == 1)
    }

    @Test("go with their disks and their binding when they are active")
    func remove() async throws {
        let fixture = try SnapshotsFixture()
        let image = try await fixture.image(["base"])
        let disk = try await fixture.vm("web", on: image)
        let other = try await fixture.vm("db", on: image)
        try await fixture.snapshots.remove("web")
        #expect(try FileStatus.of(disk) == nil)
        #expect(try FileStatus.of(other) != nil)
        #expect(try await fixture.store.vms().map(\.name) == ["db"])
    }

    @Test("stay as long as a hypervisor holds a lock, even one that others share", arguments: [true, false])
    func locked(exclusive: Bool) async throws {
        let fixture = try SnapshotsFixture()
        let image = try await fixture.image(["base"])
        let disk = try await fixture.vm("web", on: image)
        do {
            let hypervisor = try File(disk, .readWrite)
            #expect(try hypervisor.tryLock(exclusive: exclusive))
            await #expect(throws: SnapshotError.inUse(disk.string)) {
                try await fixture.snapshots.remove("web")
            }
            #expect(try FileStatus.of(disk) != nil)
            #expect(try await fixture.store.vms().count == 1)
            try hypervisor.unlock()
        }
        try await fixture.snapshots.remove("web")
        #expect(try FileStatus.of(disk) == nil)
    }

    @Test("that are committed are not removed by hand")
    func removeCommitted() async throws {
        let fixture = try SnapshotsFixture()
        let image = try await fixture.image(["base"])
        let key = image.layers[0].key.diffID.description
        await #expect(throws: SnapshotError.self) { try await fixture.snapshots.remove(key) }
        #expect(try await fixture.snapshots.stat(key).kind == .committed)
    }
}
