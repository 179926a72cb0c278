import Host
import OCI
import SystemPackage
import Testing

@testable import Store

@Suite("Workspaces")
struct WorkspaceTests {
    let fixture: StoreFixture
    var store: Store { fixture.store }
    var layout: StoreLayout { fixture.layout }

    init() throws { fixture = try StoreFixture() }

    @Test("a workspace lives through openings and collections until it is closed")
    func lives() async throws {
        let workspace = try await store.openWorkspace("Pull nginx!")
        #expect(workspace.id.hasPrefix("pullnginx-"))
        try StoreFixture.write([1], to: workspace.path.appending("work"))
        _ = try fixture.reopened()
        try await store.collectOrphans()
        #expect(try exists(workspace.path.appending("work")))
        await workspace.close()
        await workspace.close()
        #expect(try !exists(workspace.path))
        #expect(try Directory.names(in: layout.trash).isEmpty)
    }

    @Test("dropping the last reference removes the folder, and the lease counts no more")
    func dropped() async throws {
        func work() async throws -> FilePath {
            let workspace = try await store.openWorkspace("import")
            try await fixture.commit("a", in: workspace)
            return workspace.path
        }
        let path = try await work()
        #expect(try !exists(path))
        #expect(try await store.collectionSnapshot().blobs.first?.leases == [])
        #expect(try await store.collectBlobs([StoreFixture.key("a")], committedBefore: nil).count == 1)
    }

    @Test(
        "folders whose owner is gone are swept by a collection and by the next opening",
        arguments: [true, false]
    )
    func swept(withLock: Bool) async throws {
        for reopen in [true, false] {
            let dead = layout.temp.appending("dead-\(reopen)")
            try Directory.create(dead)
            if withLock { try StoreFixture.write([], to: dead.appending("lock")) }
            if reopen { _ = try fixture.reopened() } else { try await store.collectOrphans() }
            #expect(try !exists(dead))
        }
    }

    @Test("a closed workspace takes no more leases")
    func closed() async throws {
        let workspace = try await store.openWorkspace("import")
        try await fixture.commit("a", in: workspace)
        await workspace.close()
        let error = try await storeError {
            _ = try await store.blob(StoreFixture.key("a"), leasedBy: workspace)
        }
        #expect(error?.code == .closed)
    }

    @Test("workspaces made while a sweeper runs are all whole and locked")
    func creationRace() async throws {
        let (store, layout) = (store, layout)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                for _ in 0..<300 {
                    _ = try await onThread(named: "sweep") { _ in try Workspaces.sweep(layout) }
                }
            }
            for _ in 0..<2 {
                group.addTask {
                    for _ in 0..<100 {
                        let workspace = try await store.openWorkspace("race")
                        #expect(try exists(workspace.path.appending("lock")))
                        #expect(try Workspaces.isAlive(workspace.id, in: layout.temp))
                        await workspace.close()
                    }
                }
            }
            try await group.waitForAll()
        }
    }
}
