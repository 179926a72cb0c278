/// What a kernel can do, as its files in an image tell: `/boot/config-VERSION`, and of `/lib/modules/VERSION` the lists
/// `modules.builtin` and `modules.dep`.
struct KernelFeatures {
    /// Something that the guest contract needs.
    struct Need {
        /// In words.
        var what: String
        /// The option of the kernel's configuration.
        var option: String
        /// The module's name, with underscores; nil for what is none by itself.
        var module: String?
    }

    /// What every guest needs.
    static let needs = [
        Need(what: "EROFS", option: "CONFIG_EROFS_FS", module: "erofs"),
        Need(what: "overlayfs", option: "CONFIG_OVERLAY_FS", module: "overlay"),
        Need(what: "ext4", option: "CONFIG_EXT4_FS", module: "ext4"),
        Need(what: "virtio disks", option: "CONFIG_VIRTIO_BLK", module: "virtio_blk"),
        Need(what: "virtio on PCI", option: "CONFIG_VIRTIO_PCI", module: "virtio_pci"),
    ]
    /// What layers need that are compressed.
    static let compressedLayers = Need(what: "compressed EROFS", option: "CONFIG_EROFS_FS_ZIP", module: nil)

    /// The options that are set, `y` or `m`; nil where there is no configuration.
    private let options: [Substring: Substring]?
    /// The modules that are built in; nil where there is no list.
    private let builtIn: Set<String>?
    /// The modules that are there; nil where there is no list.
    private let modules: Set<String>?

    /// Reads the files; nil for those that are not there.
    init(config: String?, builtIn: String?, dependencies: String?) {
        options = config.map { text in
            let pairs = text.split(separator: "\n").filter { $0.hasPrefix("CONFIG_") }.map { line in
                let parts = line.split(separator: "=", maxSplits: 1)
                return (parts[0], parts.count > 1 ? parts[1] : "")
            }
            return Dictionary(pairs) { _, last in last }
        }
        self.builtIn = builtIn.map(Self.names)
        modules = dependencies.map(Self.names)
    }

    /// What of the needs is missing for certain, in words.
    func missing(_ needs: [Need]) -> [String] {
        needs.compactMap { need in
            switch options?[Substring(need.option)] {
            case "y"?: return nil
            case "m"?:
                guard let module = need.module, let modules, !modules.contains(module),
                    builtIn?.contains(module) != true
                else { return nil }
                return "\(need.what) (\(need.option)=m, but there is no module \(module))"
            default:
                if options != nil { return "\(need.what) (\(need.option))" }
                guard let module = need.module, let modules, let builtIn, !modules.contains(module),
                    !builtIn.contains(module)
                else { return nil }
                return "\(need.what) (module \(module))"
            }
        }
    }

    /// The modules that an initramfs has to bring, because the kernel has them as modules for certain.
    func modules(for needs: [Need]) -> [String] {
        needs.filter { need in
            guard let module = need.module, builtIn?.contains(module) != true else { return false }
            if let options { return options[Substring(need.option)] == "m" }
            return builtIn != nil && modules?.contains(module) == true
        }.compactMap(\.module)
    }

    /// The name of a module from its file's; nil for what is none.
    static func moduleName(_ path: Substring) -> String? {
        guard let file = path.split(separator: "/").last, let end = file.firstRange(of: ".ko") else {
            return nil
        }
        return String(file[..<end.lowerBound].map { $0 == "-" ? "_" : $0 })
    }

    /// Whether an option is certainly not set.
    func lacks(_ option: String) -> Bool { options.map { $0[Substring(option)] == nil } ?? false }

    /// The names of modules in lines as `kernel/fs/erofs/erofs.ko.xz: kernel/lib/lz4.ko`.
    private static func names(_ text: String) -> Set<String> {
        Set(text.split(separator: "\n").compactMap { moduleName($0.prefix { $0 != ":" }) })
    }
}
