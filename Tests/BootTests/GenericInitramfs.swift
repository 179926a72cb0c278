import Foundation
import SystemPackage
import TestSupport

/// What contrib/initramfs makes, once for all tests: a kernel of Debian's and the generic initramfs for it.
struct GenericInitramfs: Sendable {
    private let folder: TemporaryDirectory

    /// The kernel.
    var kernel: FilePath { folder.appending("vmlinuz") }
    /// The initramfs.
    var initramfs: FilePath { folder.appending("initramfs") }

    /// The settings that boot images without a kernel with them.
    var settings: String {
        "boot: { profiles: { default: { kernel: \(kernel), initramfs: \(initramfs) } } }\n"
    }

    private static let made = Task {
        let folder = try TemporaryDirectory("initramfs")
        try await check("sh", ["-c", download, "sh", folder.path.string])
        let made = GenericInitramfs(folder: folder)
        try await build(into: folder.path, kernel: made.package)
        return made
    }

    private static let download = """
        cd "$1" || exit
        name=$(apt-cache depends --important "linux-image-cloud-$(dpkg --print-architecture)" |
            sed -n 's/^ *Depends: //p' | head -1)
        apt-get download -q "$name" && mv ./*.deb kernel.deb
        """

    /// The kernel's package.
    var package: FilePath { folder.appending("kernel.deb") }

    /// The one for all tests.
    static func shared() async throws -> GenericInitramfs { try await made.value }

    /// Runs contrib/initramfs/build.
    static func build(into folder: FilePath, kernel: FilePath) async throws {
        try await check(contrib.appending("initramfs/build").string, [folder.string, kernel.string])
    }

    /// The project's folder `contrib`.
    static var contrib: FilePath {
        FilePath(#filePath).removingLastComponent().removingLastComponent().removingLastComponent()
            .appending("contrib")
    }
}
