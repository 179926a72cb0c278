import Host
import SystemPackage
import TestSupport
import Testing

@testable import ImageBackend

@Suite("What keeps an image from booting is told before")
struct BootLintTests {
    private let version = "6.1.0-9-amd64"
    private let config = """
        CONFIG_EROFS_FS=y
        CONFIG_EROFS_FS_ZIP=y
        CONFIG_OVERLAY_FS=y
        CONFIG_EXT4_FS=y
        CONFIG_VIRTIO_BLK=y
        CONFIG_VIRTIO_PCI=y
        CONFIG_RD_GZIP=y

        """

    /// The findings about an image of one layer that boots by itself.
    private func findings(_ change: (inout TarBuilder) -> Void) async throws -> [BootFinding] {
        var tar = TarBuilder()
        tar.addBootFiles(version: version)
        tar.addFile("boot/config-\(version)", config)
        tar.addFile("usr/sbin/init", "init", mode: 0o755)
        tar.addSymbolicLink("sbin", to: "usr/sbin")
        change(&tar)
        let test = try TestBackend()
        try await test.importing("web", tar.finish())
        let vm = try #require(
            try await test.backend.config([VMImage(name: "vm", selection: .query("web"))]).first
        )
        let boot = try #require(vm.boot)
        let findings = try await test.backend.bootFindings(vm, boot: boot)
        #expect(try await test.backend.bootFindings(vm, boot: boot) == findings)
        return findings
    }

    @Test("nothing is found in one that boots")
    func sound() async throws { #expect(try await findings { _ in } == []) }

    @Test("a kernel or initramfs that is none")
    func formats() async throws {
        let kernel = try await findings { $0.addFile("boot/vmlinuz-\(version)", "a kernel") }
        #expect(kernel.map(\.code) == [.kernelFormat])
        #expect(kernel[0].severity == .error && kernel[0].message.contains("vmlinuz-\(version) is no kernel"))
        let initramfs = try await findings { $0.addFile("boot/initrd.img-\(version)", "an initramfs") }
        #expect(initramfs.map(\.code) == [.initramfsFormat])
    }

    @Test("an initramfs that this kernel does not unpack")
    func packing() async throws {
        let findings = try await findings {
            $0.add("boot/initrd.img-\(version)", content: [0x28, 0xB5, 0x2F, 0xFD, 0, 0, 0, 0])
        }
        // That these bytes are no whole frame is a warning besides.
        #expect(findings.first?.code == .initramfsFormat && findings.first?.severity == .error)
        #expect(findings[0].message.contains("CONFIG_RD_ZSTD"))
    }

    @Test("a kernel without what the guest contract needs")
    func features() async throws {
        let findings = try await findings {
            $0.addFile("boot/config-\(version)", config.replacing("CONFIG_EROFS_FS=y\n", with: ""))
        }
        #expect(findings.map(\.code) == [.kernelFeatureMissing])
        #expect(findings[0].message.contains("lacks EROFS (CONFIG_EROFS_FS);"))
    }

    @Test(
        "an initramfs without the modules that its kernel needs, or without the script",
        arguments: ["cat", "gzip -c", "zstd -qc", "xz -c"]
    )
    func content(packer: String) async throws {
        let modular = config.replacing("EROFS_FS=y", with: "EROFS_FS=m").replacing(
            "VIRTIO_BLK=y",
            with: "VIRTIO_BLK=m"
        )
        func packed(_ names: [String]) async throws -> [UInt8] {
            let folder = try TemporaryDirectory("initramfs")
            let early = BootSamples.cpio([
                ("kernel/x86/microcode/GenuineIntel.bin", [UInt8](repeating: 7, count: 999))
            ])
            let plain = try folder.write(BootSamples.cpio(names.map { ($0, Array($0.utf8)) }), to: "plain")
            try await check("sh", ["-c", "exec \(packer) \(plain) > \(folder.appending("packed"))"])
            return early + [UInt8](repeating: 0, count: 512) + (try folder.bytes(of: "packed"))
        }
        func findings(_ names: [String]) async throws -> [BootFinding] {
            let initramfs = try await packed(names)
            return try await self.findings {
                $0.addFile("boot/config-\(version)", modular + "CONFIG_RD_ZSTD=y\nCONFIG_RD_XZ=y\n")
                $0.add("boot/initrd.img-\(version)", content: initramfs)
            }
        }
        let modules = ["lib/modules/x/erofs.ko.xz", "usr/lib/modules/x/virtio_blk.ko"]
        #expect(try await findings(modules + ["scripts/functions", "scripts/cocoon-overlay"]) == [])
        #expect(try await findings(modules + ["init"]) == [])
        let none = try await findings(["scripts/functions"])
        #expect(none.map(\.code) == [.initramfsModuleMissing, .initramfsContractMissing])
        #expect(none[0].message.contains("lacks the modules erofs, virtio_blk;"))
    }

    @Test("an image without an init, as a warning")
    func noInit() async throws {
        var tar = TarBuilder()
        tar.addBootFiles()
        let test = try TestBackend()
        try await test.importing("bare", tar.finish())
        let vm = try #require(
            try await test.backend.config([VMImage(name: "vm", selection: .query("bare"))]).first
        )
        let own = try await test.backend.bootFindings(vm, boot: try #require(vm.boot))
        #expect(own.map(\.code) == [.initMissing] && own[0].severity == .warning)
        // With a host's kernel, the same image has nothing to run.
        let folder = try TemporaryDirectory("profile")
        let profile = BootConfig(
            kernelPath: try folder.write(BootSamples.kernel(), to: "vmlinuz"),
            initrdPath: try folder.write(BootSamples.initramfs, to: "initramfs")
        )
        #expect(try await test.backend.bootFindings(vm, boot: profile).map(\.code) == [.nothingToRun])
        // A profile that is put right later is looked at anew.
        try folder.write("", to: "vmlinuz")
        #expect(
            try await test.backend.bootFindings(vm, boot: profile).map(\.code) == [
                .kernelFormat, .nothingToRun,
            ]
        )
        try Directory.unlink(profile.kernelPath)
        #expect(
            try await test.backend.bootFindings(vm, boot: profile).map(\.code) == [
                .bootFileUnreadable, .nothingToRun,
            ]
        )
    }

    @Test("an image of another processor, and a program that it does not have")
    func otherImage() async throws {
        let test = try TestBackend()
        try await test.importing("web", tar(["bin/sh": "sh"]))
        var vm = try #require(
            try await test.backend.config([VMImage(name: "vm", selection: .query("web"))]).first
        )
        vm.imageConfig = """
            {"os": "linux", "architecture": "riscv64", "rootfs": {"type": "layers", "diff_ids": []},
             "config": {"Entrypoint": ["/bin/app"]}}
            """
        let folder = try TemporaryDirectory("profile")
        let profile = BootConfig(
            kernelPath: try folder.write(BootSamples.kernel(), to: "vmlinuz"),
            initrdPath: try folder.write(BootSamples.initramfs, to: "initramfs")
        )
        let findings = try await test.backend.bootFindings(vm, boot: profile)
        #expect(findings.map(\.code) == [.imageArchitecture, .entrypointMissing])
        #expect(findings.map(\.severity) == [.error, .warning])
    }
}
