import Archives
import EROFS
import Host
import SystemPackage
import TestSupport

@testable import ImageBackend

/// A tar converted in a folder of its own, and mounted on demand.
struct ConvertedLayer {
    let folder: TemporaryDirectory
    let image: FilePath
    let result: LayerConverter.Result

    init(
        _ tar: [UInt8],
        compression: EROFS.Compression = .lz4(clusterSize: 65536),
        jobs: Int = 2,
        limits: LayerLimits = LayerLimits(),
        isVouchedFor: Bool = false
    ) throws {
        folder = try TemporaryDirectory("layer")
        image = folder.appending("layer.erofs")
        let converter = LayerConverter(
            compression: compression,
            guestKernel: GuestKernel(6, 1),
            jobs: jobs,
            limits: limits,
            cancellation: Cancellation()
        )
        result = try converter.convert(
            MemorySource(tar),
            name: "layer.tar",
            isVouchedFor: isVouchedFor,
            to: File(image, .readWrite, options: [.create, .truncate])
        ) { _ in }
    }

    /// The layer as the kernel shows it, after fsck.erofs found nothing wrong with it.
    func listing(_ backing: KernelMount.Backing = .file, without options: TreeListing.Options = [])
        async throws
        -> TreeListing
    {
        // Debian 12's fsck.erofs is older than files that are packed together.
        if result.summary.minimumKernel < GuestKernel(6, 1) { try await check("fsck.erofs", [image.string]) }
        let mount = try await KernelMount.erofs(image, backing)
        return try TreeListing(mount.path, without: options)
    }
}

/// What GNU tar makes of an archive, unpacked as root with everything it can keep.
func unpacked(_ tar: [UInt8], without options: TreeListing.Options = []) async throws -> TreeListing {
    let folder = try TemporaryDirectory("unpacked")
    let archive = try folder.write(tar, to: "layer.tar")
    let root = folder.appending("root")
    try Directory.create(root)
    try await check(
        "tar",
        [
            "-xpf", archive.string, "-C", root.string, "--numeric-owner", "--same-owner", "--xattrs",
            "--xattrs-include=*", "--delay-directory-restore",
        ]
    )
    return try TreeListing(root, without: options)
}
