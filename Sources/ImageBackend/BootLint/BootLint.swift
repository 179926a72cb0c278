import Archives
import Host
import OCI
import SystemPackage

/// Tells before anyone boots what keeps a VM from booting, from the boot files and the image's layers alone.
///
/// Synchronous: runs on a thread of the caller's.
struct BootLint {
    /// The kernel and the initramfs.
    let boot: BootConfig
    /// Whether they are the image's own.
    let isOwn: Bool
    /// The image's files.
    let files: ImageFiles
    /// What the image's config says of it.
    let image: ImageConfig?
    /// Whether a layer of it is compressed.
    let isCompressed: Bool
    /// Looked at while a large file is read.
    let cancellation: Cancellation
    /// This host's processor, in Go's words.
    var architecture = Platform.host.architecture

    /// Where a kernel's initramfs looks for an init (initramfs-tools, `init`; init/main.c).
    private static let inits = ["/sbin/init", "/etc/init", "/bin/init"]
    private static let shell = "/bin/sh"
    private static let largestText = 16 << 20

    /// Everything that was found.
    ///
    /// - Throws: what keeps the image's files from being read.
    func findings() throws -> [BootFinding] {
        var findings: [BootFinding] = []
        var features: KernelFeatures?
        if let kernel = boot.loadedKernel(for: architecture, &findings), isOwn {
            features = try self.features(of: kernel.release)
        }
        try checkInitramfs(features, &findings)
        if let features { checkFeatures(features, &findings) }
        if let own = image?.platform?.normalized.architecture, own != architecture {
            findings.append(
                BootFinding(
                    .error,
                    .imageArchitecture,
                    "the image is for \(own), and this host is \(architecture); pull it for "
                        + "linux/\(architecture)"
                )
            )
        }
        try checkProgram(&findings)
        return findings
    }

    private func checkInitramfs(_ features: KernelFeatures?, _ findings: inout [BootFinding]) throws {
        guard let (file, initramfs) = boot.openInitramfs(&findings) else { return }
        if let option = initramfs.packing.kernelOption, features?.lacks(option) == true {
            findings.append(
                BootFinding(
                    .error,
                    .initramfsFormat,
                    "the initramfs \(file.path) is packed with \(initramfs.packing.rawValue), which its kernel does "
                        + "not unpack (\(option))"
                )
            )
        }
        if isOwn { try checkContent(of: file, initramfs, features, &findings) }
    }

    /// What an initramfs of the image's own has to bring.
    private func checkContent(
        of file: File,
        _ initramfs: InitramfsFile,
        _ features: KernelFeatures?,
        _ findings: inout [BootFinding]
    ) throws {
        var missing = Set(features?.modules(for: KernelFeatures.needs) ?? [])
        var (isOfInitramfsTools, hasScript) = (false, false)
        do {
            let isTold = try InitramfsNames.forEach(of: file, initramfs, cancellation: cancellation) { name in
                if let module = KernelFeatures.moduleName(name[...]) { missing.remove(module) }
                if name.hasSuffix("scripts/functions") { isOfInitramfsTools = true }
                if name.hasSuffix("scripts/cocoon-overlay") { hasScript = true }
            }
            guard isTold else { return }
        } catch let error as ArchiveError where error.code != .cancelled {
            // A kernel may be content with less than a whole file.
            return findings.append(
                BootFinding(
                    .warning,
                    .initramfsFormat,
                    "the initramfs is damaged, or has something behind it: \(error)"
                )
            )
        } catch let error as InitramfsNames.Damage {
            return findings.append(
                BootFinding(.warning, .initramfsFormat, "the initramfs \(file.path): \(error.message)")
            )
        }
        if !missing.isEmpty {
            findings.append(
                BootFinding(
                    .error,
                    .initramfsModuleMissing,
                    "the image's initramfs lacks the modules \(missing.sorted().joined(separator: ", ")); add them to "
                        + "/etc/initramfs-tools/modules in the image and run update-initramfs"
                )
            )
        }
        if isOfInitramfsTools && !hasScript {
            findings.append(
                BootFinding(
                    .warning,
                    .initramfsContractMissing,
                    "the image's initramfs has no scripts/cocoon-overlay, so it will not find its root; install "
                        + "contrib/guest/cocoon-overlay in the image, or name a boot profile with kernel.profile"
                )
            )
        }
    }

    private func checkFeatures(_ features: KernelFeatures, _ findings: inout [BootFinding]) {
        let needs = KernelFeatures.needs + (isCompressed ? [KernelFeatures.compressedLayers] : [])
        let missing = features.missing(needs)
        guard !missing.isEmpty else { return }
        findings.append(
            BootFinding(
                .error,
                .kernelFeatureMissing,
                "the image's kernel lacks \(missing.joined(separator: ", ")); install another kernel in the image, "
                    + "or name a boot profile with kernel.profile"
            )
        )
    }

    /// What the image tells of its kernel.
    private func features(of release: String?) throws -> KernelFeatures? {
        let name = boot.kernelPath.lastComponent?.string ?? ""
        let version = release ?? (name.hasPrefix("vmlinuz-") ? String(name.dropFirst(8)) : "")
        guard !version.isEmpty, !version.contains("/") else { return nil }
        return KernelFeatures(
            config: try text("/boot/config-\(version)"),
            builtIn: try text("/lib/modules/\(version)/modules.builtin"),
            dependencies: try text("/lib/modules/\(version)/modules.dep")
        )
    }

    private func checkProgram(_ findings: inout [BootFinding]) throws {
        // An initramfs may run something else, so none of this is certain.
        let hasNone = try !(Self.inits + [Self.shell]).contains { try isThere($0) }
        if isOwn {
            guard hasNone else { return }
            return findings.append(
                BootFinding(
                    .warning,
                    .initMissing,
                    "the image boots by itself but has no init: none of \(Self.inits.joined(separator: ", ")) and "
                        + "\(Self.shell); install one, or write init= into kernel.args"
                )
            )
        }
        guard let program = image?.config.arguments.first else {
            guard hasNone else { return }
            return findings.append(
                BootFinding(
                    .warning,
                    .nothingToRun,
                    "the image has no entrypoint, no init and no \(Self.shell): there is nothing to run"
                )
            )
        }
        guard program.hasPrefix("/"), try !isThere(program) else { return }
        findings.append(
            BootFinding(.warning, .entrypointMissing, "the image is to run \(program), which is not in it")
        )
    }

    // MARK: The image's files

    private func isThere(_ path: String) throws -> Bool {
        do {
            try files.list(Array(path.utf8), recursively: false) { _ in }
            return true
        } catch let error as ImageError where error.code == .notFound { return false }
    }

    /// The text of a file; nil where there is none, or one too large to be what its name says.
    private func text(_ path: String) throws -> String? {
        var bytes: [UInt8] = []
        do {
            try files.read(Array(path.utf8)) { chunk in
                guard bytes.count + chunk.count <= Self.largestText else {
                    throw ImageError(.unsupported, "\(path) is too large")
                }
                bytes.append(contentsOf: chunk)
            }
        } catch let error as ImageError where error.code == .notFound || error.code == .unsupported {
            return nil
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
