import CShims
import Glibc
import Host
public import SystemPackage

/// A file system mounted for one test, unmounted with the value.
public final class KernelMount: Sendable {
    /// Where it is mounted.
    public let path: FilePath
    private let scratch: TemporaryDirectory

    /// How an image file becomes a block device, or does not.
    public enum Backing: Sendable, CaseIterable {
        /// Through a loop device, as mount(8) does.
        case loop
        /// By the file itself (Linux 6.12 and later).
        case file
    }

    private init(scratch: TemporaryDirectory) {
        self.scratch = scratch
        path = scratch.appending("mnt")
    }

    /// Mounts an EROFS image read-only.
    public static func erofs(_ image: FilePath, _ backing: Backing = .file) async throws -> KernelMount {
        let mount = KernelMount(scratch: try TemporaryDirectory("mount"))
        try Directory.create(mount.path)
        switch backing {
        case .loop:
            try await check("mount", ["-t", "erofs", "-o", "ro,loop", image.string, mount.path.string])
        case .file:
            try retryingSystemCall("mount", image) {
                shim_mount(image.string, mount.path.string, "erofs", UInt(MS_RDONLY), nil)
            }
        }
        return mount
    }

    /// Mounts an overlay of read-only layers, topmost first, with a writable layer of its own where one is needed.
    public static func overlay(lower layers: [FilePath]) throws -> KernelMount {
        let mount = KernelMount(scratch: try TemporaryDirectory("overlay"))
        for name in ["mnt", "upper", "work"] { try Directory.create(mount.scratch.appending(name)) }
        let options =
            "lowerdir=\(layers.map(\.string).joined(separator: ":")),"
            + "upperdir=\(mount.scratch.appending("upper")),workdir=\(mount.scratch.appending("work"))"
        try retryingSystemCall("mount an overlay on", mount.path) {
            shim_mount("overlay", mount.path.string, "overlay", 0, options)
        }
        return mount
    }

    /// Mounts an overlay of two or more read-only layers, topmost first, and nothing else: its root is the topmost one's.
    public static func overlay(only layers: [FilePath]) throws -> KernelMount {
        let mount = KernelMount(scratch: try TemporaryDirectory("overlay"))
        try Directory.create(mount.path)
        let options = "lowerdir=" + layers.map(\.string).joined(separator: ":")
        try retryingSystemCall("mount an overlay on", mount.path) {
            shim_mount("overlay", mount.path.string, "overlay", UInt(MS_RDONLY), options)
        }
        return mount
    }

    /// A file system that a store may lie on.
    public enum StoreFileSystem: String, Sendable, CaseIterable {
        /// Files can share their blocks.
        case xfs
        /// They cannot.
        case ext4
    }

    /// An empty file system, writable, on a disk of a size in bytes that takes only what is written.
    public static func made(_ kind: StoreFileSystem, size: UInt64 = 512 << 20) async throws -> KernelMount {
        let mount = KernelMount(scratch: try TemporaryDirectory(kind.rawValue))
        try Directory.create(mount.path)
        let disk = mount.scratch.appending("disk")
        try File(disk, .writeOnly, options: [.create, .exclusiveCreate]).truncate(to: size)
        switch kind {
        case .xfs: try await check("mkfs.xfs", ["-q", "-m", "reflink=1", disk.string])
        case .ext4: try await check("mke2fs", ["-q", "-F", "-t", "ext4", disk.string])
        }
        try await check("mount", ["-t", kind.rawValue, "-o", "loop", disk.string, mount.path.string])
        return mount
    }

    /// A tmpfs of a size in bytes: a disk that is soon full.
    public static func tmpfs(size: Int) throws -> KernelMount {
        let mount = KernelMount(scratch: try TemporaryDirectory("tmpfs"))
        try Directory.create(mount.path)
        try retryingSystemCall("mount a tmpfs on", mount.path) {
            shim_mount("tmpfs", mount.path.string, "tmpfs", 0, "size=\(size)")
        }
        return mount
    }

    deinit {
        // Lazily: a file still open must not keep the folder from going.
        if shim_umount(path.string, MNT_DETACH) != 0 { print("cannot unmount \(path): errno \(errno)") }
    }
}

private let MS_RDONLY = 1
private let MNT_DETACH: Int32 = 2
