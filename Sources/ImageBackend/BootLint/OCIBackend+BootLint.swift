import Host
import OCI
import Store
import Synchronization
import SystemPackage

extension OCIBackend {
    /// What keeps a VM from booting, or may. Told once per image and state of the boot files, and remembered.
    ///
    /// - Throws: ``ImageError`` when the image cannot be read.
    public func bootFindings(
        _ vm: VMConfiguration,
        boot: BootConfig
    ) async throws(ImageError) -> [BootFinding] {
        let key: BootFindings.Key
        do {
            key = try await onThread(named: "boot-lint") { _ in BootFindings.Key(image: vm.image, boot: boot)
            }
        } catch { throw ImageError(error, during: "looking at \(boot.kernelPath)") }
        if let known = lint[key] { return known }
        let files = try await files(of: vm.image.description)
        let isCompressed = try await blobs(vm.keys).contains { $0.options.hasPrefix("lz4") }
        let findings: [BootFinding]
        do {
            findings = try await onThread(named: "boot-lint") { cancellation in
                try BootLint(
                    boot: boot,
                    isOwn: boot == vm.boot,
                    files: files,
                    // A config that was taken in can be read; a made-up one says nothing.
                    image: try? ImageConfig(json: Array(vm.imageConfig.utf8)),
                    isCompressed: isCompressed,
                    cancellation: cancellation
                ).findings()
            }
        } catch { throw ImageError(error, during: "looking at what \(vm.image) boots") }
        lint[key] = findings
        return findings
    }
}

/// Findings that are known, bounded.
final class BootFindings: Sendable {
    /// What findings are about. Where the files change, the findings do.
    struct Key: Hashable, Sendable {
        private let image: Digest
        private let boot: BootConfig
        private let files: [FileIdentity?]

        init(image: Digest, boot: BootConfig) {
            self.image = image
            self.boot = boot
            files = [boot.kernelPath, boot.initrdPath].map { path in
                // What cannot be looked at is found so by the lint.
                let file = try? File(path, .readOnly, options: .nonBlocking)
                return (try? file?.status()).map(FileIdentity.init)
            }
        }
    }

    private static let most = 4096
    private let known = Mutex<[Key: [BootFinding]]>([:])

    subscript(key: Key) -> [BootFinding]? {
        get { known.withLock { $0[key] } }
        set {
            known.withLock { known in
                if known.count >= Self.most { known = [:] }
                known[key] = newValue
            }
        }
    }
}
