import Host
import OCI
import Snapshots
import Store
import SystemPackage
import TestSupport
import Testing

@Suite("A VM's writable disk")
struct WritableDiskTests {
    @Test("is a sparse ext4 file system of the size asked for, labelled and readable by the group")
    func isExt4() async throws {
        let fixture = try SnapshotsFixture()
        let path = fixture.disk("web")
        let mounts = try await fixture.snapshots.prepare(
            "web",
            parent: nil,
            disk: WritableDisk(path: path, size: 10 << 30)
        )

        #expect(mounts == [Mount(type: "ext4", source: path.string, options: ["rw"])])
        let status = try #require(try FileStatus.of(path))
        #expect(status.size == 10 << 30)
        #expect(status.allocatedBytes < 1 << 20)
        #expect(status.permissions == FilePermissions(rawValue: 0o640))
        try await check("e2fsck", ["-f", "-n", path.string])
        let header = try await check("dumpe2fs", ["-h", path.string])
        #expect(header.contains("Filesystem volume name:   cow\n"))
        #expect(header.contains("Reserved block count:     0\n"))
        #expect(header.contains("has_journal"))
        #expect(!header.contains("orphan_file"), "Linux 5.15 could not mount it")
    }

    @Test("is one that the kernel mounts and that keeps what is written")
    func mounts() async throws {
        let fixture = try SnapshotsFixture()
        let path = fixture.disk("web")
        _ = try await fixture.snapshots.prepare(
            "web",
            parent: nil,
            disk: WritableDisk(path: path, size: WritableDisk.minimumSize)
        )
        let target = fixture.folder.appending("mnt")
        try Directory.create(target)
        try await check("mount", ["-o", "loop", path.string, target.string])
        let written = Result { try fixture.folder.write("kept", to: "mnt/file") }
        try await check("umount", [target.string])
        _ = try written.get()
        #expect(try await check("debugfs", ["-R", "cat /file", path.string]).contains("kept"))
    }

    @Test("has a UUID of its own")
    func ownUUID() async throws {
        let fixture = try SnapshotsFixture()
        var lines: Set<String> = []
        for name in ["a", "b"] {
            _ = try await fixture.snapshots.prepare(
                name,
                parent: nil,
                disk: WritableDisk(path: fixture.disk(name), size: 16 << 20)
            )
            let header = try await check("dumpe2fs", ["-h", fixture.disk(name).string])
            lines.insert(
                try #require(header.split(separator: "\n").first { $0.contains("UUID") }.map(String.init))
            )
        }
        #expect(lines.count == 2)
    }

    @Test("is at least as big as a journal needs, and of whole blocks")
    func size() {
        let minimum = WritableDisk.minimumSize
        #expect(WritableDisk.actualSize(for: 1) == minimum)
        #expect(WritableDisk.actualSize(for: minimum) == minimum)
        #expect(WritableDisk.actualSize(for: minimum + 1) == minimum + 4096)
        #expect(WritableDisk.actualSize(for: .max) == UInt64.max - 4095)
    }

    @Test("is never made again, whatever size is asked for later")
    func neverOverwritten() async throws {
        let fixture = try SnapshotsFixture()
        let path = try fixture.folder.write("a disk with data on it", to: "vms/web/cow.raw")
        _ = try await fixture.snapshots.prepare(
            "web",
            parent: nil,
            disk: WritableDisk(path: path, size: 1 << 30)
        )
        let bytes = try #require(try AtomicFile.read(path))
        #expect(String(decoding: bytes, as: UTF8.self) == "a disk with data on it")
    }

    @Test("is not put in the place of anything that is no regular file")
    func noLink() async throws {
        let fixture = try SnapshotsFixture()
        let path = fixture.disk("web")
        let target = try fixture.folder.write("precious", to: "elsewhere")
        try Directory.create(path.removingLastComponent())
        try await check("ln", ["-s", target.string, path.string])
        await #expect(throws: SnapshotError.self) {
            try await fixture.snapshots.prepare(
                "web",
                parent: nil,
                disk: WritableDisk(path: path, size: 16 << 20)
            )
        }
        #expect(String(decoding: try #require(try AtomicFile.read(target)), as: UTF8.self) == "precious")
    }

    @Test("is refused, and nothing left behind, when less than the reserve would stay free")
    func reserve() async throws {
        let fixture = try SnapshotsFixture(reserve: .max)
        let path = fixture.disk("web")
        let error = await #expect(throws: SnapshotError.self) {
            try await fixture.snapshots.prepare(
                "web",
                parent: nil,
                disk: WritableDisk(path: path, size: 16 << 20)
            )
        }
        guard case .noSpace(let message) = error else {
            Issue.record("\(String(describing: error)) tells nothing of space")
            return
        }
        #expect(message.contains("cow.raw"))
        #expect(try Directory.names(in: path.removingLastComponent()).isEmpty)
    }

    @Test("leaves what a killed process left behind to the next attempt, but not what is being made now")
    func sweeps() async throws {
        let fixture = try SnapshotsFixture()
        let dead = try fixture.folder.write("half", to: "vms/web/.cow.raw.1.1.tmp")
        let live = try fixture.folder.write("half", to: "vms/web/.cow.raw.1.2.tmp")
        let owner = try File(live, .readWrite)
        #expect(try owner.tryLock())
        _ = try await fixture.snapshots.prepare(
            "web",
            parent: nil,
            disk: WritableDisk(path: fixture.disk("web"), size: 16 << 20)
        )
        #expect(try FileStatus.of(dead) == nil)
        #expect(try FileStatus.of(live) != nil)
        withExtendedLifetime(owner) {}
    }

    @Test("made twice at once is one disk, and neither attempt fails")
    func race() async throws {
        let fixture = try SnapshotsFixture()
        let disk = WritableDisk(path: fixture.disk("web"), size: 16 << 20)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<4 {
                group.addTask { _ = try await fixture.snapshots.prepare("web", parent: nil, disk: disk) }
            }
            try await group.waitForAll()
        }
        let names = try Directory.names(in: disk.path.removingLastComponent()).map(\.string)
        #expect(names == ["cow.raw"])
        try await check("e2fsck", ["-f", "-n", disk.path.string])
    }

    @Test("is refused a path that is not absolute")
    func relative() async throws {
        let fixture = try SnapshotsFixture()
        await #expect(
            throws: SnapshotError.failed("the disk's path vms/cow.raw is not absolute", isTransient: false)
        ) {
            try await fixture.snapshots.prepare(
                "web",
                parent: nil,
                disk: WritableDisk(path: "vms/cow.raw", size: 1)
            )
        }
    }

    @Test("is refused a parent that the store does not have")
    func unknownParent() async throws {
        let fixture = try SnapshotsFixture()
        let image = try await fixture.image(["base"])
        let missing = SnapshotsFixture.key("missing").diffID
        await #expect(throws: SnapshotError.notFound(missing.description)) {
            try await fixture.snapshots.prepare(
                "web",
                parent: missing,
                disk: WritableDisk(path: fixture.disk("web"), size: 16 << 20)
            )
        }
        #expect(try FileStatus.of(fixture.disk("web")) == nil)
        _ = try await fixture.vm("web", on: image)
    }
}
