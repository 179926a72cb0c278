import Foundation
import Host
import SystemPackage
import TestSupport
import Testing

@Suite("What contrib has for guests and hosts")
struct ContribTests {
    private var contrib: FilePath { GenericInitramfs.contrib }

    @Test("shellcheck finds nothing in the scripts of guests")
    func shellcheck() async throws {
        let scripts = [
            "initramfs/build", "initramfs/init", "initramfs/leased", "guest/cocoon-overlay",
            "guest/cocoon-overlay-hook",
            "systemd/slipway-vm",
        ]
        try await check("shellcheck", ["--external-sources"] + scripts.map { contrib.appending($0).string })
    }

    @Test("the same kernel makes the same initramfs, and it holds what the init needs")
    func reproducible() async throws {
        let first = try await GenericInitramfs.shared()
        // Once from the package, once from the folder that is in it.
        let folder = try TemporaryDirectory("kernel")
        try await check("dpkg-deb", ["--extract", first.package.string, folder.path.string])
        let again = try TemporaryDirectory("initramfs")
        try await GenericInitramfs.build(into: again.path, kernel: folder.path)
        for file in ["vmlinuz", "initramfs"] {
            let one = try AtomicFile.read(first.kernel.removingLastComponent().appending(file))
            #expect(try AtomicFile.read(again.appending(file)) == one, "\(file)")
        }
    }
}
