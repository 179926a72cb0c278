import Archives
import EROFS
import Host
import SystemPackage
import TestSupport
import Testing

@testable import ImageBackend

@Suite("A layer of a real tree", .serialized)
struct RealTreeTests {
    /// Converts a tar, for guests with packed files and for those before, and compares what the kernel shows with what
    /// GNU tar unpacks, entry by entry.
    private func compare(_ tar: FilePath, in folder: TemporaryDirectory) async throws {
        let root = folder.appending("root")
        try Directory.create(root)
        try await check(
            "tar",
            [
                "-xpf", tar.string, "-C", root.string, "--numeric-owner", "--same-owner", "--xattrs",
                "--xattrs-include=*", "--delay-directory-restore",
            ]
        )
        let expected = try TreeListing(root)
        #expect(expected.entries.count > 300)
        for guestKernel in [GuestKernel(6, 1), GuestKernel(5, 17)] {
            let image = folder.appending("layer-\(guestKernel).erofs")
            try convert(tar, to: image, for: guestKernel)
            _ = try ImageCheck().check(File.regular(image))
            // Debian 12's fsck.erofs is older than files that are packed together.
            if guestKernel < GuestKernel(6, 1) { try await check("fsck.erofs", [image.string]) }
            let mount = try await KernelMount.erofs(image, .loop)
            #expect(try TreeListing(mount.path).differences(from: expected) == [])
        }
    }

    private func convert(_ tar: FilePath, to image: FilePath, for guestKernel: GuestKernel) throws {
        let converter = LayerConverter(
            compression: .lz4(clusterSize: 65536),
            guestKernel: guestKernel,
            jobs: 2,
            limits: LayerLimits(),
            cancellation: Cancellation()
        )
        _ = try converter.convert(
            FileSource(file: File.regular(tar)),
            name: "real.tar",
            isVouchedFor: false,
            to: File(image, .readWrite, options: [.create])
        ) { _ in }
    }

    @Test("of a Debian root")
    func debianRoot() async throws {
        let folder = try TemporaryDirectory("debian")
        let tar = folder.appending("debian.tar")
        try await check(
            "mmdebstrap",
            ["--quiet", "--mode=root", "--variant=minbase", "bookworm", tar.string]
        )
        try await compare(tar, in: folder)
    }

    @Test("of this machine's /usr/bin, links and all")
    func usrBin() async throws {
        let folder = try TemporaryDirectory("usr")
        let tar = folder.appending("usr.tar")
        // A file may go while its folder is read: tar then ends with 1, and the archive is whole.
        let result = try await run(
            "tar",
            ["--format=posix", "--xattrs", "-C", "/usr/bin", "-cf", tar.string, "."]
        )
        #expect(result.status < 2, "\(result.errors)")
        try await compare(tar, in: folder)
    }
}
