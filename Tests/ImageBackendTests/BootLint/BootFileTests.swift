import Host
import SystemPackage
import TestSupport
import Testing

@testable import ImageBackend

@Suite("A kernel's file")
struct KernelFileTests {
    private func kernel(_ bytes: [UInt8]) throws -> KernelFile {
        let folder = try TemporaryDirectory("kernel")
        return try KernelFile(FileBytes(File(try folder.write(bytes, to: "kernel"), .readOnly)))
    }

    private func complaint(_ bytes: [UInt8]) throws -> String {
        try #require(throws: KernelFile.Unloadable.self) { try kernel(bytes) }.message
    }

    /// A bzImage of protocol 2.15.
    private func bzImage(flags: UInt8 = 1) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: 2048)
        bytes.replaceSubrange(0x1FE..<0x208, with: [0x55, 0xAA, 0, 0] + Array("HdrS".utf8) + [0x0F, 0x02])
        bytes.replaceSubrange(0x20E..<0x210, with: [0x00, 0x04])
        bytes[0x236] = flags
        bytes.replaceSubrange(0x600..<0x60C, with: Array("6.1.0-9 (x@y)".utf8.prefix(12)))
        return bytes
    }

    /// A 64-bit ELF file with one note.
    private func elf(machine: UInt8 = 62, note: String = "Xen\0", type: UInt8 = 18) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: 64 + 56 + 32)
        bytes.replaceSubrange(0..<6, with: [0x7F] + Array("ELF".utf8) + [2, 1])
        bytes[18] = machine
        bytes[32] = 64
        bytes[54] = 56
        bytes[56] = 1
        bytes[64] = 4
        bytes[64 + 8] = 120
        bytes[64 + 32] = 20
        bytes[120] = UInt8(note.utf8.count)
        bytes[124] = 4
        bytes[128] = type
        bytes.replaceSubrange(132..<132 + note.utf8.count, with: note.utf8)
        return bytes
    }

    @Test("is a bzImage, which tells its release")
    func bzImage() throws {
        let kernel = try kernel(bzImage())
        #expect(kernel.format == .bzImage && kernel.architecture == "amd64" && kernel.release == "6.1.0-9")
        #expect(try complaint(bzImage(flags: 0)).contains("32-bit"))
    }

    @Test("is an ELF file with a PVH entry")
    func elf() throws {
        #expect(try kernel(elf()).format == .elf)
        #expect(try complaint(elf(note: "GNU\0")).contains("PVH"))
        #expect(try complaint(elf(type: 5)).contains("PVH"))
        #expect(try complaint(elf(machine: 183)).contains("x86-64"))
        // Cut off anywhere, it is refused and nothing worse.
        for length in 4..<elf().count { _ = try? kernel(Array(elf()[..<length])) }
    }

    @Test("is an arm64 Image, unless it is packed")
    func armImage() throws {
        var image = [UInt8](repeating: 0, count: 64)
        image.replaceSubrange(56..<60, with: "ARMd".utf8)
        #expect(try kernel(image).architecture == "arm64")
        #expect(try complaint([0x1F, 0x8B, 8] + image).contains("gzip"))
        #expect(try complaint(Array("MZ\0\0zimg".utf8) + image).contains("EFI_ZBOOT"))
    }

    @Test("is nothing else", arguments: [[], Array("a kernel".utf8), [UInt8](repeating: 0, count: 4096)])
    func others(bytes: [UInt8]) throws {
        #expect(try complaint(bytes).contains("no kernel"))
    }
}

@Suite("An initramfs' file")
struct InitramfsFileTests {
    private func packing(_ bytes: [UInt8]) throws -> InitramfsFile.Packing? {
        let folder = try TemporaryDirectory("initramfs")
        return try InitramfsFile(FileBytes(File(try folder.write(bytes, to: "initramfs"), .readOnly)))?
            .packing
    }

    private let cpio = BootSamples.cpio([
        ("a", [1, 2, 3]), ("kernel/x86/microcode/GenuineIntel.bin", [UInt8](repeating: 7, count: 5000)),
    ])

    @Test(
        "is told by its first bytes",
        arguments: [
            ("gzip", "gzip", ["-c"]), ("bzip2", "bzip2", ["-c"]), ("xz", "xz", ["-c"]),
            ("lzma", "xz", ["-c", "--format=lzma"]),
            ("zstd", "zstd", ["-qc"]), ("lz4", "lz4", ["-qlc"]),
        ]
    )
    func packed(name: String, program: String, arguments: [String]) async throws {
        let folder = try TemporaryDirectory("initramfs")
        let plain = try folder.write(cpio, to: "plain")
        let script =
            "exec \(program) \(arguments.joined(separator: " ")) \(plain) > \(folder.appending("packed"))"
        try await check("sh", ["-c", script])
        let packed = try folder.bytes(of: "packed")
        #expect(try packing(packed)?.rawValue == name)
        // Microcode stands in front, padded to anything.
        for padding in [0, 4, 512, 100_000] {
            #expect(try packing(cpio + [UInt8](repeating: 0, count: padding) + packed)?.rawValue == name)
        }
    }

    @Test("may be a cpio archive as it is, or several")
    func plain() throws {
        #expect(try packing(cpio) == InitramfsFile.Packing.none)
        #expect(
            try packing(cpio + [0, 0, 0, 0] + cpio + [UInt8](repeating: 0, count: 512))
                == InitramfsFile.Packing.none
        )
    }

    @Test("is nothing else, and not cut off")
    func others() throws {
        #expect(try packing([]) == nil)
        #expect(try packing(Array("an initramfs".utf8)) == nil)
        #expect(try packing(cpio + Array("garbage".utf8)) == nil)
        for length in stride(from: 1, to: cpio.count - 8, by: 97) {
            #expect(try packing(Array(cpio[..<length])) == nil)
        }
    }
}

@Suite("What a kernel can do")
struct KernelFeaturesTests {
    private let config = """
        # CONFIG_EROFS_FS_ZIP is not set
        CONFIG_EROFS_FS=m
        CONFIG_OVERLAY_FS=y
        CONFIG_EXT4_FS=y
        CONFIG_VIRTIO_BLK=m
        CONFIG_VIRTIO_PCI=m
        CONFIG_RD_GZIP=y
        """

    @Test("is told by its configuration and its modules")
    func configured() {
        let dependencies = """
            kernel/drivers/block/virtio_blk.ko.xz: kernel/drivers/virtio/virtio.ko.xz
            kernel/drivers/virtio/virtio-pci.ko.xz:
            kernel/fs/erofs/erofs.ko.xz: kernel/lib/libcrc32c.ko.xz
            """
        let all = KernelFeatures(config: config, builtIn: "", dependencies: dependencies)
        #expect(all.missing(KernelFeatures.needs) == [])
        #expect(all.missing([KernelFeatures.compressedLayers]) == ["compressed EROFS (CONFIG_EROFS_FS_ZIP)"])
        #expect(all.lacks("CONFIG_RD_ZSTD") && !all.lacks("CONFIG_RD_GZIP"))
        let none = KernelFeatures(config: config, builtIn: "", dependencies: "kernel/fs/erofs/erofs.ko:\n")
        #expect(none.missing(KernelFeatures.needs).count == 2)
        #expect(none.missing(KernelFeatures.needs)[0].contains("there is no module virtio_blk"))
    }

    @Test("is told by its modules alone where there is no configuration, and not at all without either")
    func unconfigured() {
        let features = KernelFeatures(
            config: nil,
            builtIn: "kernel/fs/ext4/ext4.ko\nkernel/fs/overlayfs/overlay.ko\n",
            dependencies: "kernel/fs/erofs/erofs.ko:\nkernel/drivers/virtio/virtio_pci.ko:\n"
        )
        #expect(features.missing(KernelFeatures.needs) == ["virtio disks (module virtio_blk)"])
        let unknown = KernelFeatures(config: nil, builtIn: nil, dependencies: nil)
        #expect(unknown.missing(KernelFeatures.needs) == [] && !unknown.lacks("CONFIG_RD_ZSTD"))
        let half = KernelFeatures(config: nil, builtIn: nil, dependencies: "")
        #expect(half.missing(KernelFeatures.needs) == [])
    }
}
