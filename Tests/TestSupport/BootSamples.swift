/// Files that pass for what a machine boots, as far as can be told without booting them.
public enum BootSamples {
    /// A kernel of this host's architecture: a bzImage's header (Documentation/arch/x86/boot.rst), or an arm64 Image's.
    public static func kernel(release: String = "6.1.0-9-amd64") -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: 2048)
        func put(_ content: [UInt8], at offset: Int) {
            bytes.replaceSubrange(offset..<offset + content.count, with: content)
        }
        #if arch(arm64)
            put(Array("ARMd".utf8), at: 56)
        #else
            put([0x55, 0xAA], at: 0x1FE)
            put(Array("HdrS".utf8), at: 0x202)
            // Protocol 2.15, the version's text at 0x400 + 0x200, a 64-bit entry.
            put([0x0F, 0x02], at: 0x206)
            put([0x00, 0x04], at: 0x20E)
            put([0x01, 0x00], at: 0x236)
            put(Array("\(release) (someone@somewhere) #1 SMP".utf8), at: 0x600)
        #endif
        return bytes
    }

    /// An initramfs: a cpio archive without any file (Documentation/driver-api/early-userspace/buffer-format.rst).
    public static var initramfs: [UInt8] { cpio([]) }

    /// A cpio archive of files.
    public static func cpio(_ files: [(name: String, content: [UInt8])]) -> [UInt8] {
        var archive: [UInt8] = []
        for (name, content) in files + [("TRAILER!!!", [])] {
            func field(_ value: Int) -> String {
                let digits = String(value, radix: 16, uppercase: true)
                return String(repeating: "0", count: 8 - digits.count) + digits
            }
            let fields = [0, 0o100644, 0, 0, 1, 0, content.count, 0, 0, 0, 0, name.utf8.count + 1, 0]
            archive += ("070701" + fields.map(field).joined()).utf8
            archive += Array(name.utf8) + [0]
            archive += [UInt8](repeating: 0, count: (4 - archive.count % 4) % 4)
            archive += content
            archive += [UInt8](repeating: 0, count: (4 - archive.count % 4) % 4)
        }
        return archive
    }
}

extension TarBuilder {
    /// Adds a kernel and an initramfs that pass for such.
    ///
    /// - Parameter version: of both, in their names; empty for `vmlinuz` and `initrd.img`.
    public mutating func addBootFiles(version: String = "") {
        let suffix = version.isEmpty ? "" : "-\(version)"
        add("boot/vmlinuz\(suffix)", content: BootSamples.kernel())
        add("boot/initrd.img\(suffix)", content: BootSamples.initramfs)
    }
}
