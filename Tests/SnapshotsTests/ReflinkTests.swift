import Host
import OCI
import Snapshots
import Store
import SystemPackage
import TestSupport
import Testing

@Suite("Disks copied from a template")
struct ReflinkTests {
    @Test(
        "share its blocks where the file system can, are copies of what it holds elsewhere, and are their own in both",
        arguments: KernelMount.StoreFileSystem.allCases
    )
    func shared(kind: KernelMount.StoreFileSystem) async throws {
        let mount = try await KernelMount.made(kind)
        let fixture = try SnapshotsFixture(in: mount.path)
        let size: UInt64 = 1 << 30
        let disks = ["a", "b"].map { fixture.disk($0) } + [fixture.folder.appending("vms/a/data-pg.raw")]
        for (path, label) in zip(disks, ["cow", "cow", "pg"]) {
            try Directory.create(path.removingLastComponent())
            let disk = WritableDisk(path: path, size: size, label: label)
            _ = try await fixture.snapshots.prepare("a", parent: nil, disk: disk)
        }
        let template = fixture.store.layout.templates.appending("ext4-1-\(size).raw")
        let original = try digest(of: template)
        var identities: Set<String> = []
        for path in disks {
            let extents = try await FileExtents(of: path)
            switch kind {
            // Only blocks with a superblock are its own.
            case .xfs: #expect(extents.shared > extents.mapped / 2, "\(extents)")
            case .ext4: #expect(extents.shared == 0 && extents.mapped < 1 << 20, "\(extents)")
            }
            try await check("e2fsck", ["-f", "-n", path.string])
            identities.formUnion(try await self.identities(of: path))
        }
        identities.formUnion(try await self.identities(of: template))
        #expect(identities.count == 8, "a UUID and a hash seed each")

        // What is written to one is seen in no other.
        let others = try disks.dropFirst().map { try digest(of: $0) }
        let content = try fixture.folder.write([UInt8](repeating: 7, count: 1 << 20), to: "content")
        try await check("debugfs", ["-w", "-R", "write \(content) file", disks[0].string])
        try await check("e2fsck", ["-f", "-n", disks[0].string])
        #expect(try digest(of: template) == original)
        #expect(try disks.dropFirst().map { try digest(of: $0) } == others)
    }

    /// Of all parts that are no holes.
    private func digest(of path: FilePath) throws -> Digest {
        let file = try File.regular(path)
        var bytes: [UInt8] = []
        for extent in try file.dataExtents() {
            var part = [UInt8](repeating: 0, count: extent.count)
            let count = try part.withUnsafeMutableBytes { try file.read(into: $0, at: extent.lowerBound) }
            bytes += part[..<count]
        }
        return .sha256(of: bytes)
    }

    private func identities(of path: FilePath) async throws -> [String] {
        try await check("dumpe2fs", ["-h", path.string]).split(separator: "\n").filter {
            $0.hasPrefix("Filesystem UUID:") || $0.hasPrefix("Directory Hash Seed:")
        }.map { String($0.split(separator: " ").last ?? "") }
    }
}
