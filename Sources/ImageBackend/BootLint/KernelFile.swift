import Host

/// A kernel's file, as far as a loader looks at it.
struct KernelFile: Equatable {
    /// The forms that Cloud Hypervisor loads (vmm/src/vm.rs, `load_kernel`).
    enum Format: Equatable {
        /// Documentation/arch/x86/boot.rst
        case bzImage
        /// An ELF file with the entry point of PVH (include/xen/interface/elfnote.h, `XEN_ELFNOTE_PHYS32_ENTRY`).
        case elf
        /// Documentation/arch/arm64/booting.rst
        case armImage
    }

    /// Why a file is no kernel that can be loaded, in words that follow its path.
    struct Unloadable: Error, Equatable { var message: String }

    /// The form.
    var format: Format
    /// The processor, in Go's words.
    var architecture: String
    /// What `uname -r` will say, where the file tells.
    var release: String?

    /// Tells a kernel by its bytes.
    ///
    /// - Throws: ``Unloadable``, `FileError`.
    init(_ file: FileBytes) throws {
        if try file.has([0x1F, 0x8B], at: 0) {
            throw Unloadable(message: "is compressed with gzip as a whole; unpack it with gzip -d")
        }
        if try file.has([0x7F] + Array("ELF".utf8), at: 0) {
            self = try Self.elf(file)
        } else if try file.has(Array("HdrS".utf8), at: 0x202), try file.has([0x55, 0xAA], at: 0x1FE) {
            self = try Self.bzImage(file)
        } else if try file.has(Array("ARMd".utf8), at: 56) {
            self.init(format: .armImage, architecture: "arm64")
        } else if try file.has(Array("MZ".utf8), at: 0), try file.has(Array("zimg".utf8), at: 4) {
            throw Unloadable(
                message:
                    "is packed for EFI firmware (CONFIG_EFI_ZBOOT), which Cloud Hypervisor does not unpack; "
                    + "take arch/arm64/boot/Image of the same build"
            )
        } else {
            throw Unloadable(
                message:
                    "is no kernel that Cloud Hypervisor loads: neither a bzImage, nor an ELF file with a PVH "
                    + "entry, nor an arm64 Image"
            )
        }
    }

    private init(format: Format, architecture: String, release: String? = nil) {
        self.format = format
        self.architecture = architecture
        self.release = release
    }

    private static func bzImage(_ file: FileBytes) throws -> KernelFile {
        let version = try file.number(UInt16.self, at: 0x206)
        // Bit 0 of xloadflags: a 64-bit entry point; the field is there since protocol 2.12.
        if version >= 0x20C, try file.number(UInt16.self, at: 0x236) & 1 == 0 {
            throw Unloadable(message: "is a 32-bit kernel; Cloud Hypervisor boots 64-bit ones")
        }
        let pointer = UInt64(try file.number(UInt16.self, at: 0x20E))
        let text = pointer == 0 ? [] : try file.bytes(at: pointer + 0x200, 128)
        let release = String(decoding: text.prefix { $0 > 0x20 && $0 < 0x7F }, as: UTF8.self)
        return KernelFile(
            format: .bzImage,
            architecture: "amd64",
            release: release.isEmpty ? nil : release
        )
    }

    /// The ELF file's header and its notes (System V ABI, chapters 4 and 5).
    private static func elf(_ file: FileBytes) throws -> KernelFile {
        guard try file.has([2, 1], at: 4) else {
            throw Unloadable(message: "is an ELF file, but not of 64 bits, low byte first")
        }
        let machine = try file.number(UInt16.self, at: 18)
        guard machine == 62 else {
            throw Unloadable(
                message: "is an ELF file, but not for x86-64; on arm64 Cloud Hypervisor takes an Image"
            )
        }
        let table = try file.number(UInt64.self, at: 32)
        let (size, count) = (try file.number(UInt16.self, at: 54), try file.number(UInt16.self, at: 56))
        for index in 0..<UInt64(count) {
            let header = table &+ index * UInt64(size)
            guard try file.number(UInt32.self, at: header) == 4 else { continue }
            let start = try file.number(UInt64.self, at: header &+ 8)
            let notes = try file.bytes(
                at: start,
                Int(min(try file.number(UInt64.self, at: header &+ 32), 1 << 20))
            )
            if hasEntryNote(notes) { return KernelFile(format: .elf, architecture: "amd64") }
        }
        throw Unloadable(message: "is an ELF file without a PVH entry point; build it with CONFIG_PVH=y")
    }

    /// Whether notes have one of Xen's of type 18.
    private static func hasEntryNote(_ notes: [UInt8]) -> Bool {
        func number(_ offset: Int) -> Int {
            notes[offset..<offset + 4].reversed().reduce(0) { $0 << 8 | Int($1) }
        }
        var offset = 0
        while offset + 12 <= notes.count {
            let (name, value) = (number(offset), number(offset + 4))
            let text = notes[(offset + 12)...].prefix(name)
            if number(offset + 8) == 18, text.elementsEqual("Xen\0".utf8) { return true }
            offset += 12 + (name + 3) / 4 * 4 + (value + 3) / 4 * 4
        }
        return false
    }
}
