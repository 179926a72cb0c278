import GarbageCollection
import Host
import OCI
import Store
import SystemPackage
import TestSupport
import Testing

@testable import Snapshots

@Suite("A template of disks")
struct DiskTemplateTests {
    private func make(
        _ fixture: SnapshotsFixture,
        _ names: [String],
        size: UInt64 = 16 << 20
    ) async throws {
        for name in names {
            let disk = WritableDisk(path: fixture.disk(name), size: size)
            _ = try await fixture.snapshots.prepare(name, parent: nil, disk: disk)
        }
    }

    private func templates(_ fixture: SnapshotsFixture) throws -> [String] {
        try Directory.names(in: fixture.store.layout.templates).map(\.string).sorted()
    }

    /// What dumpe2fs says after a heading.
    private func said(_ heading: String, of path: FilePath, options: [String] = ["-h"]) async throws -> String
    {
        let output = try await check("dumpe2fs", options + [path.string])
        let line = try #require(output.split(separator: "\n").first { $0.hasPrefix(heading) })
        return line.dropFirst(heading.count).drop { $0 == " " }.description
    }

    @Test("is made once per size, and every disk is a copy of it")
    func once() async throws {
        let fixture = try SnapshotsFixture()
        try await make(fixture, ["a", "b", "c"])
        #expect(try templates(fixture) == ["ext4-1-\(16 << 20).raw"])
        let before = try FileStatus.of(fixture.store.layout.templates.appending("ext4-1-\(16 << 20).raw"))
        #expect(before?.permissions == FilePermissions(rawValue: 0o444))
        try await make(fixture, ["d"], size: 24 << 20)
        #expect(try templates(fixture).count == 2)
        #expect(
            try FileStatus.of(fixture.store.layout.templates.appending("ext4-1-\(16 << 20).raw")) == before
        )
    }

    @Test(
        "gives each copy a UUID and a hash seed of its own, which all its superblocks agree on",
        arguments: [UInt64(16 << 20), 1 << 30, 10 << 30]
    )
    func identities(size: UInt64) async throws {
        let fixture = try SnapshotsFixture()
        try await make(fixture, ["a", "b"], size: size)
        var identities: Set<String> = []
        for name in ["a", "b"] {
            let path = fixture.disk(name)
            try await check("e2fsck", ["-f", "-n", path.string])
            for heading in ["Filesystem UUID:", "Directory Hash Seed:"] {
                identities.insert(try await said(heading, of: path))
            }
            #expect(try await said("Checksum seed:", of: path).hasPrefix("0x"))
            guard size > 128 << 20 else { continue }
            // The first backup, in group 1.
            let options = ["-h", "-o", "superblock=32768", "-o", "blocksize=4096"]
            #expect(
                try await said("Filesystem UUID:", of: path, options: options)
                    == said("Filesystem UUID:", of: path)
            )
        }
        #expect(identities.count == 4)
        let checksumSeeds = try await [
            said("Checksum seed:", of: fixture.disk("a")), said("Checksum seed:", of: fixture.disk("b")),
        ]
        #expect(checksumSeeds[0] == checksumSeeds[1], "what a UUID does not change needs no new checksums")
    }

    @Test("takes little: no zeros are copied, and no guest has inode tables to clear")
    func small() async throws {
        let fixture = try SnapshotsFixture()
        try await make(fixture, ["a"], size: 10 << 30)
        let allocated = try #require(try FileStatus.of(fixture.disk("a"))).allocatedBytes
        #expect(allocated < 512 << 10, "\(allocated) bytes")
        let groups = try await check("dumpe2fs", [fixture.disk("a").string])
        #expect(groups.components(containing: "ITABLE_ZEROED") == 80)
    }

    @Test("can be written, made longer and grown by the file system's own tool, and is sound after")
    func grows() async throws {
        let fixture = try SnapshotsFixture()
        try await make(fixture, ["a"], size: 64 << 20)
        let path = fixture.disk("a")
        let content = try fixture.folder.write("kept", to: "content")
        try await check("debugfs", ["-w", "-R", "write \(content) file", path.string])
        try File(path, .readWrite).truncate(to: 512 << 20)
        try await check("e2fsck", ["-f", "-n", path.string])
        try await check("resize2fs", [path.string])
        try await check("e2fsck", ["-f", "-n", path.string])
        #expect(try await said("Block count:", of: path) == "\((512 << 20) / 4096)")
        #expect(try await check("debugfs", ["-R", "cat /file", path.string]).contains("kept"))
    }

    @Test("that is damaged is made anew, and no disk is copied from it")
    func damaged() async throws {
        let fixture = try SnapshotsFixture()
        let name = "ext4-1-\(16 << 20).raw"
        try Directory.create(fixture.store.layout.templates)
        let path = fixture.store.layout.templates.appending(name)
        try AtomicFile.write([UInt8](repeating: 7, count: 16 << 20), to: path)
        try await make(fixture, ["a"])
        try await check("e2fsck", ["-f", "-n", fixture.disk("a").string])
        try await check("e2fsck", ["-f", "-n", path.string])
    }

    @Test("is collected once no disk has its size, and made again when one is wanted")
    func collected() async throws {
        let fixture = try SnapshotsFixture()
        try await make(fixture, ["a"])
        try await make(fixture, ["b"], size: 24 << 20)
        let collector = TemplateCollector(
            folder: fixture.store.layout.templates,
            vms: fixture.folder.appending("vms")
        )
        #expect(try await collector.snapshot().isEmpty)
        try Directory.create(fixture.folder.appending("vms/.retired"))
        try Directory.rename(
            fixture.folder.appending("vms/b"),
            to: fixture.folder.appending("vms/.retired/b-20260101T000000Z")
        )
        #expect(try await collector.snapshot().isEmpty, "a retired disk counts")
        try Directory.removeTree(fixture.folder.appending("vms/.retired"))
        let unused = try await collector.snapshot()
        #expect(unused.map(\.name) == ["ext4-1-\(24 << 20).raw"])
        _ = try await collector.collect(try collector.resolve(unused, others: .init()))
        #expect(try templates(fixture) == ["ext4-1-\(16 << 20).raw"])
        try await make(fixture, ["c"], size: 24 << 20)
        try await check("e2fsck", ["-f", "-n", fixture.disk("c").string])
    }

    @Test("is not needed for a disk without a file system")
    func raw() async throws {
        let fixture = try SnapshotsFixture()
        let disk = WritableDisk(path: fixture.disk("a"), size: 1 << 30, content: .none)
        _ = try await fixture.snapshots.prepare("a", parent: nil, disk: disk)
        let status = try #require(try FileStatus.of(disk.path))
        #expect(status.size == 1 << 30)
        #expect(status.allocatedBytes == 0)
        #expect(try FileStatus.of(fixture.store.layout.templates) == nil)
    }

    @Test("holds no lock that a hypervisor could meet, once the disk has its name")
    func unlocked() async throws {
        let fixture = try SnapshotsFixture()
        try await make(fixture, ["a"])
        #expect(try !File(fixture.disk("a"), .readOnly).isLockedByAnother())
    }
}

extension String {
    /// How many lines hold a text.
    fileprivate func components(containing text: String) -> Int {
        split(separator: "\n").count { $0.contains(text) }
    }
}
