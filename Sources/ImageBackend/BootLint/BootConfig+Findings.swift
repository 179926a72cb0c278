import Host
import OCI
import SystemPackage

extension BootConfig {
    /// What keeps these files from booting anything on this host, whatever the image. Reads the files.
    public func findings() -> [BootFinding] {
        var findings: [BootFinding] = []
        _ = loadedKernel(for: Platform.host.architecture, &findings)
        _ = openInitramfs(&findings)
        return findings
    }

    /// The kernel as a loader sees it; nil where it cannot be loaded.
    func loadedKernel(for architecture: String, _ findings: inout [BootFinding]) -> KernelFile? {
        do {
            let kernel = try KernelFile(try FileBytes(File(kernelPath, .readOnly, options: .nonBlocking)))
            if kernel.architecture != architecture {
                findings.append(
                    BootFinding(
                        .error,
                        .kernelArchitecture,
                        "the kernel \(kernelPath) is for \(kernel.architecture), and this host is \(architecture)"
                    )
                )
            }
            return kernel
        } catch let error as KernelFile.Unloadable {
            findings.append(BootFinding(.error, .kernelFormat, "the kernel \(kernelPath) \(error.message)"))
        } catch {
            findings.append(BootFinding(.error, .bootFileUnreadable, "the kernel: \(error)"))
        }
        return nil
    }

    /// The initramfs, open; nil where it is none.
    func openInitramfs(_ findings: inout [BootFinding]) -> (file: File, initramfs: InitramfsFile)? {
        do throws(FileError) {
            let file = try File(initrdPath, .readOnly, options: .nonBlocking)
            if let initramfs = try InitramfsFile(FileBytes(file)) { return (file, initramfs) }
            findings.append(
                BootFinding(
                    .error,
                    .initramfsFormat,
                    "\(initrdPath) is no initramfs: no whole cpio archive, and packed with nothing that a kernel "
                        + "unpacks"
                )
            )
        } catch {
            findings.append(BootFinding(.error, .bootFileUnreadable, "the initramfs: \(error)"))
        }
        return nil
    }
}
