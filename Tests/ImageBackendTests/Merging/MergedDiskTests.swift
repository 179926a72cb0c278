import EROFS
import GarbageCollection
import Host
import OCI
import Store
import SystemPackage
import TestSupport
import Testing

@testable import ImageBackend

@Suite("One disk for all layers")
struct MergedDiskTests {
    /// Layers in which names are replaced, whited out and hidden, with what only few files have.
    private static let layers: [[UInt8]] = [
        archive { tar in
            tar.addDirectory("./", mode: 0o751, uid: 1, gid: 2, mtime: 1_500_000_000)
            tar.addDirectory("bin")
            tar.add(
                "bin/ping",
                mode: 0o755,
                content: Array(repeating: 7, count: 9000),
                xattrs: [
                    ("security.capability", [1, 0, 0, 2, 0, 32, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])
                ]
            )
            tar.addHardLink("bin/ping6", to: "bin/ping")
            tar.addHardLink("bin/ping4", to: "bin/ping")
            tar.addFile("replaced", String(repeating: "old ", count: 30_000))
            tar.addDirectory("hidden")
            tar.addFile("hidden/by-opaque", String(repeating: "x", count: 200))
            tar.addFile("removed", String(repeating: "y", count: 200))
            tar.addSymbolicLink("link", to: "bin/ping")
            for number in 0..<200 {
                tar.addFile("small-\(number)", String(repeating: "\(number) ", count: 90))
            }
        },
        archive { tar in
            tar.addFile("replaced", String(repeating: "new ", count: 40_000))
            tar.addFile(".wh.removed", "")
            tar.addFile("bin/.wh.ping4", "")
            tar.addDirectory("hidden")
            tar.addFile("hidden/.wh..wh..opq", "")
            tar.addFile("hidden/shown", String(repeating: "z", count: 200))
            for number in 0..<100 { tar.addFile("small-\(2 * number)", String(repeating: "n", count: 700)) }
        },
    ]

    private static func disk(_ test: TestBackend, _ image: Image) async throws -> MergedDisk {
        try await test.backend.mergedDisk(of: image.digest, keys: image.layers.map(\.key))
    }

    private static func bytes(_ disk: MergedDisk) throws -> [UInt8] {
        try #require(try AtomicFile.read(disk.storage.path, limit: 1 << 30))
    }

    private static func digest(_ disk: MergedDisk) throws -> Digest { .sha256(of: try bytes(disk)) }

    @Test("shows the kernel what an unpacker makes, hard links, capabilities and all")
    func content() async throws {
        let stack = try await LayerStackFixture(Self.layers)
        #expect(try await stack.differences(ignoring: .links) == [])
        let disk = try await Self.disk(stack.test, stack.image)
        #expect(disk.storage.serial == "merged" && disk.storage.isReadOnly)
        let mount = try await KernelMount.erofs(disk.storage.path)
        let tree = try TreeListing(mount.path)
        let ping = try #require(tree.entries["./bin/ping"])
        #expect(ping.contains("links 2 with ./bin/ping") && ping.contains("security.capability"))
        #expect(tree.entries["./bin/ping4"] == nil && tree.entries["./removed"] == nil)
        #expect(try #require(tree.entries["./bin/ping6"]).contains("links 2 with ./bin/ping"))
        #expect(!tree.entries.values.contains { $0.contains("trusted.overlay") })
        withExtendedLifetime(mount) {}
    }

    @Test(
        "shares the blocks of its layers where the file system can, and is the same bytes where it cannot",
        arguments: KernelMount.StoreFileSystem.allCases
    )
    func shared(kind: KernelMount.StoreFileSystem) async throws {
        let mount = try await KernelMount.made(kind)
        let test = try TestBackend(at: mount.path.appending("store"), compression: .none)
        let layers = ["first", "second"].map { name in
            archive { tar in
                var random = SeededRandom(UInt64(name.utf8.count))
                tar.add(
                    name,
                    content: (0..<1 << 20).map { _ in UInt8.random(in: 0 ... .max, using: &random) }
                )
            }
        }
        let image = try await test.importing("a", layers[0], layers[1])
        let disk = try await Self.disk(test, image)
        let extents = try await FileExtents(of: disk.storage.path)
        switch kind {
        case .xfs: #expect(extents.shared >= 2 << 20, "\(extents)")
        case .ext4: #expect(extents.shared == 0 && extents.mapped >= 2 << 20, "\(extents)")
        }
        let usual = try TestBackend(compression: .none)
        let same = try await Self.disk(usual, try await usual.importing("a", layers[0], layers[1]))
        #expect(try Self.digest(disk) == Self.digest(same))
    }

    @Test("is the same in every store, and lies where the design says")
    func deterministic() async throws {
        let (one, two) = (try TestBackend(), try TestBackend())
        let image = try await one.importing("a", Self.layers[0], Self.layers[1])
        let other = try await two.importing("b", Self.layers[0], Self.layers[1])
        let disk = try await Self.disk(one, image)
        #expect(try await Self.digest(disk) == Self.digest(Self.disk(two, other)))
        let id = MergedRecord.id(of: image.layers.map(\.key))
        #expect(
            disk.id == id && disk.storage.path == one.store.layout.root.appending("merged/\(id.hex).erofs")
        )
        let files = try await one.files().filter { $0.hasPrefix("merged/") }
        #expect(files == ["merged/\(id.hex).erofs", "merged/\(id.hex).json"])
        #expect(try Directory.names(in: one.store.layout.temp).isEmpty)
    }

    @Test("is made once, however many ask, and not again while it is there")
    func shared() async throws {
        let test = try TestBackend()
        let image = try await test.importing("a", Self.layers[0], Self.layers[1])
        #expect(try await test.backend.presentMergedDisk(keys: image.layers.map(\.key)) == nil)
        let disks = try await withThrowingTaskGroup(of: MergedDisk.self) { group in
            for _ in 0..<8 { group.addTask { try await Self.disk(test, image) } }
            return try await group.reduce(into: Set<MergedDisk>()) { $0.insert($1) }
        }
        let disk = try #require(disks.first)
        #expect(disks.count == 1)
        let inode = try FileStatus.of(disk.storage.path)?.inode
        #expect(try await Self.disk(test, image) == disk)
        #expect(try FileStatus.of(disk.storage.path)?.inode == inode)
        #expect(try await test.backend.presentMergedDisk(keys: image.layers.map(\.key)) == disk)
        // Another process on the same store.
        let second = try TestBackend(at: test.store.layout.root)
        #expect(try await Self.disk(second, image) == disk)
        #expect(try FileStatus.of(disk.storage.path)?.inode == inode)
    }

    @Test("of a hundred layers is what an unpacker makes of them")
    func hundred() async throws {
        let layers = (0..<100).map { position in
            archive { tar in
                tar.addDirectory("all")
                tar.addFile("all/\(position)", String(repeating: "\(position) ", count: 100))
                tar.addFile("top", "\(position)")
                if position > 0 { tar.addFile("all/.wh.\(position / 2)", "") }
                tar.addFile("dir-\(position % 7)/\(position)", String(repeating: "d", count: position * 50))
            }
        }
        let stack = try await LayerStackFixture(layers)
        let unpacked = try await Unpacked(stack.image, in: stack.test)
        try await stack.merged { root in
            let lines = try unpacked.differences(from: root)
            #expect(lines == [])
        }
    }

    @Test("within an older guests' kernel is made anew where it needs a newer one")
    func guestKernel() async throws {
        let first = try TestBackend()
        let image = try await first.importing("a", Self.layers[0], Self.layers[1])
        let keys = image.layers.map(\.key)
        let disk = try await Self.disk(first, image)
        let before = try await KernelMount.erofs(disk.storage.path)
        let tree = try TreeListing(before.path)
        #expect(try await first.store.mergedDisk(disk.id)?.minimumGuestKernel == "6.1")
        let second = try TestBackend(at: first.store.layout.root, guestKernel: .chunks)
        #expect(try await second.backend.presentMergedDisk(keys: keys) == nil)
        let again = try await Self.disk(second, image)
        #expect(again.id == disk.id && again.storage == disk.storage)
        let record = try #require(try await second.store.mergedDisk(disk.id))
        #expect(try #require(GuestKernel(record.minimumGuestKernel)) <= .chunks)
        let after = try await KernelMount.erofs(again.storage.path)
        #expect(try TreeListing(after.path).differences(from: tree) == [])
        #expect(try await second.store.verifyMergedDisks(examinations: [.structure]) == [])
        withExtendedLifetime((before, after)) {}
    }

    @Test("goes with the last VM that is bound to it, and is made anew when its file is lost")
    func lifeCycle() async throws {
        let test = try TestBackend()
        let image = try await test.importing("a", Self.layers[0], Self.layers[1])
        let disk = try await Self.disk(test, image)
        let vm = VMRecord(
            name: "web",
            request: "web.json",
            requestDigest: .sha256(of: [1]),
            reference: "a",
            image: image.digest,
            keys: image.layers.map(\.key),
            merged: disk.id
        )
        try await test.store.setVM(vm)
        #expect(try await test.collect().collected.isEmpty)
        let digest = try Self.digest(disk)
        try Directory.unlink(disk.storage.path)
        #expect(try await test.backend.presentMergedDisk(keys: vm.keys) == nil)
        #expect(try await Self.digest(Self.disk(test, image)) == digest)
        try await test.store.removeVM("web")
        let collected = try await test.collect().collected.map(\.candidate)
        #expect(collected.map(\.kind) == ["merged"] && collected.first?.id == disk.id.hex)
        #expect(try FileStatus.of(disk.storage.path) == nil)
        #expect(try await test.store.verifyMergedDisks() == [])
    }

    @Test("is not made where a layer is lost, and the error says which and what to do")
    func lostLayer() async throws {
        let test = try TestBackend()
        let image = try await test.importing("a", Self.layers[0], Self.layers[1])
        try Directory.unlink(FilePath(image.layers[1].path))
        do {
            _ = try await Self.disk(test, image)
            Issue.record("merged without a layer")
        } catch let error as ImageError {
            #expect(error.code == .notFound)
            #expect(error.message.contains("\(image.layers[1].key)") && error.message.contains("import"))
        }
        #expect(try Directory.names(in: test.store.layout.temp).isEmpty)
        #expect(try Directory.names(in: test.store.layout.merged).isEmpty)
    }

    @Test("is refused where there is no room for it")
    func noRoom() async throws {
        let small = try KernelMount.tmpfs(size: 24 << 20)
        let test = try TestBackend(at: small.path.appending("store"))
        var generator = SystemRandomNumberGenerator()
        let noise = (0..<(9 << 20)).map { _ in UInt8.random(in: 0...255, using: &generator) }
        let image = try await test.importing("a", archive { $0.add("noise", mode: 0o644, content: noise) })
        let filler = try File(small.path.appending("filler"), .writeOnly, options: .create)
        let rest = try FileSystemStatus.of(small.path).availableBytes
        let zeros = [UInt8](repeating: 0, count: Int(rest) - (2 << 20))
        try zeros.withUnsafeBytes { try filler.writeAll($0) }
        do {
            _ = try await Self.disk(test, image)
            Issue.record("merged without room")
        } catch let error as ImageError {
            #expect(error.code == .noSpace && error.isTransient)
        }
        #expect(try Directory.names(in: test.store.layout.merged).isEmpty)
        withExtendedLifetime(small) {}
    }
}
