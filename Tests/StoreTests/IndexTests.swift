import GRDB
import Host
import OCI
import SystemPackage
import TestSupport
import Testing

@testable import Store

@Suite("The index file")
struct IndexTests {
    @Test("an index of a newer version is refused and says so")
    func newer() async throws {
        let fixture = try StoreFixture()
        let newer = Schema.migrations.count + 1
        try await fixture.store.index.write { db in try db.execute(sql: "PRAGMA user_version = \(newer)") }
        let error = try await storeError { _ = try fixture.reopened() }
        #expect(error?.code == .newerIndex)
        #expect(error?.message.contains(fixture.layout.database.string) == true)
    }

    @Test("a file that is no database is one clear error")
    func notADatabase() async throws {
        let folder = try TemporaryDirectory("index")
        let layout = StoreLayout(root: folder.appending("store"))
        try folder.write(String(repeating: "not a database ", count: 1000), to: "store/index.db")
        let error = try await storeError { _ = try Store(layout: layout) }
        #expect(error?.code == .corruptIndex)
        #expect(error?.message.contains("rebuild-index") == true)
    }

    @Test("a page of nonsense in the middle is one clear error, when opening or when reading")
    func damagedPage() async throws {
        let folder = try TemporaryDirectory("index")
        let layout = StoreLayout(root: folder.appending("store"))
        func fill() async throws {
            let store = try Store(layout: layout)
            for number in 0..<50 {
                try await store.setSource(
                    SourceRecord(
                        source: .inbox("\(number)"),
                        identity: String(repeating: "x", count: 500),
                        state: .done
                    )
                )
            }
            try await store.index.checkpoint()
        }
        try await fill()
        let file = try File(layout.database, .readWrite)
        let size = try file.status().size
        let nonsense = [UInt8](repeating: 0xA5, count: 4096)
        for offset in stride(from: UInt64(4096), to: size, by: 4096) {
            try nonsense.withUnsafeBytes { try file.writeAll($0, at: offset) }
        }
        let error = try await storeError { _ = try await Store(layout: layout).sources() }
        #expect(error?.code == .corruptIndex)
    }

    @Test("another program's database is refused and left alone")
    func foreign() async throws {
        let folder = try TemporaryDirectory("index")
        let layout = StoreLayout(root: folder.appending("store"))
        try Directory.create(layout.root)
        let queue = try DatabaseQueue(path: layout.database.string)
        try await queue.write { db in try db.execute(sql: "CREATE TABLE theirs (id)") }
        try queue.close()
        let error = try await storeError { _ = try Store(layout: layout) }
        #expect(error?.code == .corruptIndex)
        #expect(error?.message.contains("another program") == true)
    }

    @Test("ten thousand images, VMs and sources are read by a handful of statements each")
    func scale() async throws {
        let fixture = try StoreFixture()
        let count = 10_000
        let numbers = "WITH n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < \(count))"
        try await fixture.store.index.write { db in
            for insertion in [
                "INSERT INTO blobs \(numbers) SELECT printf('%064x', n), printf('%064x', n), '', 5, 0, '', 0, 1 FROM n",
                """
                INSERT INTO images \(numbers)
                SELECT printf('%064x', n), '{}', printf('%064x', -n), '{}', 'linux/amd64', NULL, n, NULL FROM n
                """,
                "INSERT INTO image_layers SELECT digest, 0, digest, digest, 5 FROM images",
                "INSERT INTO image_aliases SELECT digest, digest, 'manifest' FROM images",
                "INSERT INTO claims SELECT 'localhost/' || sequence, 'hand', digest, 0, sequence FROM images",
                "INSERT INTO pins SELECT 'hand', digest FROM images",
                "INSERT INTO vms SELECT 'vm-' || sequence, 'r', digest, 'x', digest, NULL, NULL, NULL FROM images",
                "INSERT INTO vm_layers SELECT 'vm-' || sequence, 0, digest FROM images",
                """
                INSERT INTO sources
                SELECT 'inbox/' || sequence, 'i', NULL, NULL, 'done', 0, NULL, NULL, NULL, NULL FROM images
                """,
            ] { try db.execute(sql: insertion) }
        }
        #expect(try await fixture.store.images().count == count)
        #expect(try await fixture.store.references().count == count)
        #expect(try await fixture.store.vms().count == count)
        #expect(try await fixture.store.sources().count == count)
        #expect(try await fixture.store.collectionSnapshot().blobs.count == count)
        // Every lookup of one thing goes through an index: no plan scans a table.
        let plans = try await fixture.store.index.read { db in
            try [
                "SELECT image FROM claims WHERE reference = 'x' ORDER BY rank, sequence DESC LIMIT 1",
                "SELECT image FROM image_aliases WHERE alias >= 'a' AND alias < 'ag'",
                "SELECT 1 FROM image_layers WHERE key = 'x'", "SELECT 1 FROM vm_layers WHERE key = 'x'",
                "SELECT 1 FROM leases WHERE key = 'x'", "SELECT name FROM vms WHERE image = 'x'",
                "SELECT source FROM pins WHERE image = 'x'", "DELETE FROM claims WHERE source = 'x'",
            ].flatMap { try Row.fetchAll(db, sql: "EXPLAIN QUERY PLAN \($0)").map { try $0.text("detail") } }
        }
        #expect(plans.filter { $0.hasPrefix("SCAN") }.isEmpty)
    }
}
