import GRDB
import Host
import OCI
import SystemPackage
import TestSupport
import Testing

@testable import Store

@Suite("Merged disks")
struct MergedTests {
    let fixture: StoreFixture
    var store: Store { fixture.store }
    var layout: StoreLayout { fixture.layout }

    init() throws { fixture = try StoreFixture() }

    private static func record(_ words: [String], content: String = "merged") -> MergedRecord {
        let content = StoreFixture.content(content)
        return MergedRecord(
            keys: words.map(StoreFixture.key),
            sha256: .sha256(of: content),
            size: UInt64(content.count),
            entries: 3,
            minimumGuestKernel: "5.4",
            writer: "slipway test",
            options: "lz4"
        )
    }

    @discardableResult
    private func commit(
        _ record: MergedRecord,
        content: String = "merged",
        to store: Store? = nil,
        replacing: Bool = false
    ) async throws -> MergedRecord {
        let store = store ?? self.store
        let workspace = try await store.openWorkspace("merge")
        let file = workspace.path.appending("merged")
        try StoreFixture.write(StoreFixture.content(content), to: file)
        let result = try await store.commitMergedDisk(record, file: file, in: workspace) { _ in replacing }
        #expect(try Directory.names(in: workspace.path).map(\.string) == ["lock"])
        await workspace.close()
        return result
    }

    private func collect(unusedSince time: StoreTime = StoreTime(nanoseconds: .max)) async throws -> [Digest]
    {
        let ids = try await store.collectionSnapshot().merged.map(\.id)
        return try await store.collectMergedDisks(ids, unusedSince: time).map(\.0)
    }

    @Test("are known by the SHA-256 of their layers' keys in order, a line each")
    func identity() throws {
        let plain = LayerKey(diffID: .sha256(of: [1]))
        let variant = LayerKey(diffID: .sha256(of: [2]), inheritance: .sha256(of: [3]))
        let text = "\(plain)\n\(variant)\n"
        #expect(MergedRecord.id(of: [plain, variant]) == .sha256(of: Array(text.utf8)))
        #expect(MergedRecord.id(of: [plain, variant]) != MergedRecord.id(of: [variant, plain]))
    }

    @Test("are there with their sidecar, sealed, once they are committed; the first of two stays")
    func committed() async throws {
        let record = Self.record(["a", "b"])
        #expect(try await store.mergedDisk(record.id) == nil)
        #expect(try await commit(record) == record)
        #expect(try await store.mergedDisk(record.id) == record)
        let status = try #require(try FileStatus.of(layout.mergedDisk(record.id)))
        #expect(status.permissions.rawValue == 0o444 && status.size == record.size)
        #expect(try exists(layout.mergedSidecar(record.id)))
        let other = Self.record(["a", "b"], content: "other")
        #expect(try await commit(other, content: "other") == record)
        #expect(try await commit(other, content: "other", replacing: true) == other)
        #expect(try await fixture.reopened().mergedDisk(record.id) == other)
        try await expectInvariants(of: layout, "committed")
    }

    @Test("a commit of a file that is not what its record says is refused")
    func mismatch() async throws {
        let error = try await storeError { try await commit(Self.record(["a"]), content: "shorter") }
        #expect(error?.code == .invalidFile)
        #expect(try Directory.names(in: layout.merged).isEmpty)
    }

    @Test("of one that two processes make at once, both get one")
    func race() async throws {
        let record = Self.record(["a"])
        let second = try fixture.reopened()
        async let one = commit(record)
        async let two = commit(record, to: second)
        #expect(try await one == record)
        #expect(try await two == record)
        #expect(try Directory.names(in: layout.merged).count == 2)
    }

    @Test("stay while a VM, retired or not, is bound to them, and for a while after they were asked for")
    func collection() async throws {
        let image = try await fixture.image("i", ["a", "b"])
        let record = Self.record(["a", "b"])
        try await commit(record)
        var vm = StoreFixture.vm("vm", image)
        vm.merged = record.id
        try await store.setVM(vm)
        #expect(try await store.vm("vm") == vm)
        #expect(try await collect().isEmpty)
        #expect(try await store.collectionSnapshot().merged.map(\.vms) == [["vm"]])
        vm.name = ".retired/vm-1"
        try await store.renameVM("vm", to: vm)
        #expect(try await store.vm(".retired/vm-1")?.merged == record.id)
        #expect(try await collect().isEmpty)
        try await store.removeVM(".retired/vm-1")
        fixture.machine.advance(.seconds(10))
        #expect(try await store.useMergedDisk(record.id) == record)
        let now = try await store.tick()
        #expect(try await collect(unusedSince: now + .seconds(-1)).isEmpty, "asked for just now")
        let disk = try File(layout.mergedDisk(record.id), .readOnly)
        #expect(try disk.tryLock(exclusive: false))
        #expect(try await collect().isEmpty, "a hypervisor has it")
        withExtendedLifetime(disk) {}
    }

    @Test("that nothing needs go with their sidecar")
    func collected() async throws {
        let record = Self.record(["a"])
        try await commit(record)
        #expect(try await collect() == [record.id])
        #expect(try Directory.names(in: layout.merged).isEmpty)
        #expect(try await store.mergedDisk(record.id) == nil)
        try await expectInvariants(of: layout, "collected")
    }

    @Test("a VM is not bound to one that is gone, and one that is bound stays bound")
    func binding() async throws {
        let image = try await fixture.image("i", ["a"])
        let record = Self.record(["a"])
        var vm = StoreFixture.vm("vm", image)
        vm.merged = record.id
        #expect(try await storeError { try await store.setVM(vm) }?.code == .missingBlob)
        try await commit(record)
        try await store.setVM(vm)
        try Directory.unlink(layout.mergedDisk(record.id))
        #expect(try await store.mergedDisk(record.id) == nil)
        vm.requestDigest = .sha256(of: [9])
        try await store.setVM(vm)
        #expect(try await commit(record) == record, "made anew")
        #expect(try await store.mergedDisk(record.id) == record)
    }

    @Test("are put back from the trash when their row survived, and are orphans without one")
    func trash() async throws {
        let record = Self.record(["a"])
        try await commit(record)
        let (disk, sidecar) = (layout.mergedDisk(record.id), layout.mergedSidecar(record.id))
        _ = try Trash.move(disk, to: layout.trash, as: .merged, id: record.id.hex)
        _ = try Trash.move(sidecar, to: layout.trash, as: .mergedSidecar, id: record.id.hex)
        #expect(try await fixture.reopened().mergedDisk(record.id) == record)
        #expect(try exists(sidecar))
        let other = Digest.sha256(of: [7])
        try StoreFixture.write([1], to: layout.mergedDisk(other))
        try StoreFixture.write([1], to: layout.mergedSidecar(other))
        let kinds = try await store.collectOrphans().map(\.kind).sorted()
        #expect(kinds == ["merged", "merged-sidecar"])
        #expect(try exists(disk) && !exists(layout.mergedDisk(other)))
    }

    @Test("come back with a rebuilt index; a VM keeps its binding to one that is lost")
    func rebuilt() async throws {
        let image = try await fixture.image("i", ["a"])
        let record = Self.record(["a"])
        try await commit(record)
        let lost = Self.record(["b"], content: "lost")
        try await commit(lost, content: "lost")
        var vms = [StoreFixture.vm("kept", image), StoreFixture.vm("lost", image)]
        vms[0].merged = record.id
        vms[1].merged = lost.id
        for vm in vms { try await store.setVM(vm) }
        _ = try await store.tick()
        let layout = StoreLayout(root: fixture.folder.appending("copy"))
        try await check("cp", ["-a", fixture.layout.root.string, layout.root.string])
        try Directory.unlink(layout.mergedDisk(lost.id))
        let report = try await Store.rebuildIndex(layout: layout)
        #expect(report.problems == [] && report.vms == 2)
        let again = try Store(layout: layout)
        #expect(try await again.mergedDisk(record.id) == record)
        #expect(try await again.mergedDisk(lost.id) == nil)
        #expect(try await again.vms().map(\.merged) == [record.id, lost.id])
    }

    @Test("that are damaged are found and removed, sound ones not")
    func verification() async throws {
        let image = try await fixture.image("i", ["a"])
        let sound = Self.record(["a"])
        let damaged = Self.record(["b"], content: "wrong")
        try await commit(sound)
        try await commit(damaged, content: "right")
        var vm = StoreFixture.vm("vm", image)
        vm.merged = damaged.id
        try await store.setVM(vm)
        let problems = try await store.verifyMergedDisks()
        #expect(problems.map(\.id) == [damaged.id] && problems.first?.kind == .digest)
        #expect(problems.first?.vms == ["vm"])
        #expect(try await !store.discardDamagedMergedDisk(sound.id))
        #expect(try await store.discardDamagedMergedDisk(damaged.id))
        #expect(try await store.verifyMergedDisks() == [])
        #expect(try await store.mergedDisk(damaged.id) == nil)
        #expect(try !exists(layout.mergedDisk(damaged.id)))
    }
}
