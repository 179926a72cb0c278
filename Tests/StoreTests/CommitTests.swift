import GRDB
import Host
import OCI
import SystemPackage
import Testing

@testable import Store

@Suite("Committing blobs")
struct CommitTests {
    let fixture: StoreFixture
    var store: Store { fixture.store }
    var layout: StoreLayout { fixture.layout }

    init() throws { fixture = try StoreFixture() }

    @Test("a committed blob lies in its place, read-only, with its sidecar and its boot files")
    func placed() async throws {
        let workspace = try await store.openWorkspace("import")
        let record = try await fixture.commit("a", boot: ["vmlinuz-1", "initrd.img-1"], in: workspace)
        for path in [
            layout.blob(record.key), layout.blobSidecar(record.key),
            layout.bootDirectory(record.key).appending("vmlinuz-1"),
        ] {
            #expect(try FileStatus.of(path)?.permissions == .content)
        }
        #expect(try AtomicFile.read(layout.blob(record.key)) == StoreFixture.content("a"))
        #expect(try await store.blob(record.key, leasedBy: nil) == record)
        #expect(try FileStatus.of(layout.blobs)?.permissions == .storeFolder)
        #expect(try FileStatus.of(layout.database)?.permissions == FilePermissions(rawValue: 0o640))
    }

    @Test("the first to commit wins, the other gets the winner's record and loses its files")
    func firstWins() async throws {
        let first = try await store.openWorkspace("first")
        let second = try await store.openWorkspace("second")
        let winner = try await fixture.commit("a", in: first)
        var other = winner
        other.writer = "another"
        let (file, _) = try fixture.write(other, "a", in: second)
        let answer = try await store.commitBlob(
            other,
            file: file,
            bootDirectory: nil,
            compressed: nil,
            in: second
        )
        #expect(answer == winner)
        #expect(try !exists(file))
        let leases = try await store.collectionSnapshot().blobs.first?.leases
        #expect(leases == [first.id, second.id].sorted())
    }

    @Test("a sound blob is replaced only when asked for, and keeps the other digests it is known by")
    func replaces() async throws {
        let workspace = try await store.openWorkspace("import")
        let gzip = Digest.sha256(of: [1])
        let old = try await fixture.commit("a", compressed: gzip, in: workspace)
        let (new, file) = try newer(than: old, in: workspace)
        let answer = try await store.commitBlob(
            new,
            file: file,
            bootDirectory: nil,
            compressed: nil,
            in: workspace
        ) { $0.writer != "newer" }
        #expect(answer == new)
        #expect(try await store.blob(old.key, leasedBy: nil) == new)
        #expect(try await store.verifyBlobs() == [])
        let sidecar = try #require(try AtomicFile.read(layout.blobSidecar(old.key)))
        #expect(try JSON.decode(BlobSidecar.self, from: sidecar).compressed == [gzip])
    }

    @Test(
        "a replacement whose process was killed before its row was durable counts, with a lease and without"
    )
    func adoptsReplacement() async throws {
        let workspace = try await store.openWorkspace("import")
        let old = try await fixture.commit("a", in: workspace)
        let (new, file) = try newer(than: old, in: workspace)
        let sidecar = workspace.path.appending("sidecar")
        try StoreFixture.write(try JSON.encode(BlobSidecar(record: new, compressed: [])), to: sidecar)
        // As far as the killed process came.
        try Directory.rename(sidecar, to: layout.blobSidecar(old.key))
        #expect(try await store.blob(old.key, leasedBy: nil) == old)
        try Directory.rename(file, to: layout.blob(old.key))
        #expect(try await store.blob(old.key, leasedBy: nil) == new)
        #expect(try await store.blob(old.key, leasedBy: workspace) == new)
        #expect(try await store.verifyBlobs() == [])
    }

    /// The same layer written otherwise, its file in the workspace.
    private func newer(than old: BlobRecord, in workspace: Workspace) throws -> (BlobRecord, FilePath) {
        let content = StoreFixture.content("written anew")
        var new = old
        new.sha256 = .sha256(of: content)
        new.size = UInt64(content.count)
        new.writer = "newer"
        let file = workspace.path.appending("newer")
        try StoreFixture.write(content, to: file)
        return (new, file)
    }

    @Test("files that are not what the record says are refused and nothing is committed")
    func refusesWrongFiles() async throws {
        let workspace = try await store.openWorkspace("import")
        var record = StoreFixture.record("a", boot: ["vmlinuz"])
        let (file, boot) = try fixture.write(record, "a", in: workspace)
        let withoutBoot = try await storeError {
            _ = try await store.commitBlob(
                record,
                file: file,
                bootDirectory: nil,
                compressed: nil,
                in: workspace
            )
        }
        #expect(withoutBoot?.code == .invalidFile)
        record.size += 1
        let wrongSize = try await storeError { [record] in
            _ = try await store.commitBlob(
                record,
                file: file,
                bootDirectory: boot,
                compressed: nil,
                in: workspace
            )
        }
        #expect(wrongSize?.code == .invalidFile)
        record.size -= 1
        record.boot.entries[0].name = "../x"
        let escape = try await storeError { [record] in
            _ = try await store.commitBlob(
                record,
                file: file,
                bootDirectory: boot,
                compressed: nil,
                in: workspace
            )
        }
        #expect(escape?.code == .invalidFile)
        #expect(try await store.blob(record.key, leasedBy: nil) == nil)
        #expect(try !exists(layout.blob(record.key)))
    }

    @Test("an orphan in the place of a blob is replaced by a commit of its key")
    func replacesOrphan() async throws {
        let key = StoreFixture.key("a")
        for folder in [layout.blob(key).removingLastComponent(), layout.bootDirectory(key)] {
            try Directory.create(folder)
        }
        try StoreFixture.write([1, 2, 3], to: layout.blob(key))
        try StoreFixture.write([1], to: layout.bootDirectory(key).appending("old"))
        #expect(try await store.blob(key, leasedBy: nil) == nil)
        let workspace = try await store.openWorkspace("import")
        try await fixture.commit("a", boot: ["vmlinuz"], in: workspace)
        #expect(try AtomicFile.read(layout.blob(key)) == StoreFixture.content("a"))
        #expect(try !exists(layout.bootDirectory(key).appending("old")))
        await workspace.close()
        try await expectInvariants(of: layout, "orphan replaced")
    }

    @Test(
        "a transaction that fails after the rename leaves an orphan that nobody sees and the next commit replaces"
    )
    func failureAfterRename() async throws {
        let workspace = try await store.openWorkspace("import")
        try await store.index.write { db in
            try db.execute(
                sql: "CREATE TRIGGER refuse BEFORE INSERT ON blobs BEGIN SELECT raise(ABORT, 'refused'); END"
            )
        }
        let error = try await storeError { try await fixture.commit("a", boot: ["vmlinuz"], in: workspace) }
        #expect(error?.code == .index)
        let key = StoreFixture.key("a")
        #expect(try exists(layout.blob(key)), "the failure came after the rename")
        #expect(try await store.blob(key, leasedBy: nil) == nil)
        let orphans = try await store.collectionSnapshot().orphans.map(\.kind).sorted()
        #expect(orphans == ["blob", "boot", "sidecar"])
        try await store.index.write { db in try db.execute(sql: "DROP TRIGGER refuse") }
        try await fixture.commit("a", boot: ["vmlinuz"], in: workspace)
        #expect(try await store.blob(key, leasedBy: nil) != nil)
        await workspace.close()
        try await expectInvariants(of: layout, "after a failed commit")
    }

    @Test(
        "a blob whose file is gone or cut is not found, and committing it again repairs it",
        arguments: [true, false]
    )
    func repairs(isGone: Bool) async throws {
        let image = try await fixture.image("i", ["a"])
        let path = layout.blob(StoreFixture.key("a"))
        try Directory.unlink(path)
        if !isGone { try StoreFixture.write([1], to: path) }
        let workspace = try await store.openWorkspace("repair")
        #expect(try await store.blob(StoreFixture.key("a"), leasedBy: workspace) == nil)
        let error = try await storeError { try await store.setVM(StoreFixture.vm("vm", image)) }
        #expect(error?.code == .missingBlob)
        try await fixture.commit("a", in: workspace)
        try await store.setVM(StoreFixture.vm("vm", image))
        await workspace.close()
        try await expectInvariants(of: layout, "repaired")
    }

    @Test("a compressed digest leads to the diffID, and into the sidecar however late it comes")
    func compressed() async throws {
        let workspace = try await store.openWorkspace("import")
        let (gzip, zstd) = (Digest.sha256(of: [1]), Digest.sha256(of: [2]))
        let record = try await fixture.commit("a", compressed: gzip, in: workspace)
        try await fixture.commit("a", compressed: zstd, in: workspace)
        try await fixture.commit("a", compressed: record.key.diffID, in: workspace)
        #expect(try await store.diffID(ofCompressed: zstd) == record.key.diffID)
        #expect(try await store.diffID(ofCompressed: .sha256(of: [3])) == nil)
        let bytes = try #require(try AtomicFile.read(layout.blobSidecar(record.key)))
        let sidecar = try JSON.decode(BlobSidecar.self, from: bytes)
        #expect(sidecar == BlobSidecar(record: record, compressed: [gzip, zstd].sorted()))
    }

    @Test("commits are written through to the disk before they are answered")
    func synchronousFull() async throws {
        let mode = try await store.index.write { db in try Int.fetchOne(db, sql: "PRAGMA synchronous") }
        #expect(mode == 2)
    }
}
