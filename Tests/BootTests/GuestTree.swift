import Foundation
import Host
import SystemPackage
import TestSupport

/// An image of busybox with programs that prove things from inside, and what they print read back.
enum GuestTree {
    /// Lists the tree that it runs in, as `BEGIN tree`, a line for each name, `END tree`: the same lines for the same
    /// tree, in a guest and on a host. What the guest mounts, and `/state` of its own, are left out.
    static let lister = """
        #!/bin/busybox sh
        tree() {
            busybox find . -xdev '(' -path ./state -o -path ./dev -o -path ./proc -o -path ./sys ')' -prune -o "$@" {} + |
                busybox sort
        }
        echo BEGIN tree
        tree -type d -exec busybox stat -c '%a %u %g %F %n'
        tree ! -type d -exec busybox stat -c '%a %u %g %Y %t:%T %F %N'
        tree -type f -exec busybox sha256sum
        echo END tree

        """

    /// The bottom layer of every image here.
    static func base() throws -> TarBuilder {
        var tar = TarBuilder()
        for folder in ["./", "bin", "dev", "etc", "proc", "root", "sys", "usr", "usr/share"] {
            tar.addDirectory(folder)
        }
        tar.addDirectory("tmp", mode: 0o1777)
        guard let busybox = try AtomicFile.read("/bin/busybox") else {
            throw CommandFailure(description: "there is no /bin/busybox: install busybox-static")
        }
        tar.add("bin/busybox", mode: 0o755, content: busybox)
        tar.addSymbolicLink("bin/sh", to: "busybox")
        tar.addFile("bin/list-tree", lister, mode: 0o755)
        tar.addFile("etc/passwd", "root:x:0:0::/root:/bin/sh\nweb:x:101:102::/srv/web:/bin/sh\n")
        tar.addFile("etc/group", "root:x:0:\nwww:x:102:\nlogs:x:200:web\nmedia:x:201:web,root\n")
        return tar
    }

    /// Layers that delete, replace, empty, hide behind a file, and bring folders that only a lower layer describes.
    static func stack() throws -> [[UInt8]] {
        var base = try self.base()
        base.addDirectory("etc/conf.d", mode: 0o2750)
        base.addFile("etc/conf.d/a", "a")
        base.addFile("etc/deleted", "to be deleted")
        base.addFile("etc/replaced", "old", mode: 0o600)
        base.addDirectory("usr/share/doc", mode: 0o711)
        base.addFile("usr/share/doc/copyright", "to be hidden")
        base.addDirectory("usr/share/doc/deep")
        base.addFile("usr/share/doc/deep/x", "to be hidden as well")
        base.addDirectory("usr/share/gone")
        base.addFile("usr/share/gone/x", "to be deleted with its folder")
        base.add(
            "usr/share/big",
            mode: 0o444,
            uid: 1000,
            gid: 1001,
            content: (0..<300_000).map { UInt8($0 & 0x3F) }
        )
        base.addHardLink("usr/share/same", to: "usr/share/big")
        base.addDirectory("usr/share/becomes-file")
        base.addFile("usr/share/becomes-file/x", "x")
        var top = TarBuilder()
        top.addFile("etc/.wh.deleted", "")
        top.add("etc/replaced", mode: 0o4755, uid: 101, gid: 102, content: Array("new".utf8))
        // Folders that this layer has no entries for keep what they are below.
        top.addFile("etc/conf.d/b", "b")
        top.addDirectory("usr/share/doc")
        top.addFile("usr/share/doc/.wh..wh..opq", "")
        top.addFile("usr/share/doc/README", "new")
        top.addFile("usr/share/.wh.gone", "")
        top.addFile("usr/share/becomes-file", "now a file")
        top.addSymbolicLink("usr/share/link", to: "../../etc/replaced")
        return [base.finish(), top.finish()]
    }

    /// The tree that a guest listed on its console.
    static func listed(on console: String) throws -> [String] {
        let lines = console.split(separator: "\n").map(String.init)
        guard let begin = lines.firstIndex(of: "BEGIN tree"), let end = lines.firstIndex(of: "END tree")
        else {
            throw CommandFailure(description: "the guest listed no tree:\n\(console)")
        }
        return Array(lines[begin + 1..<end])
    }

    /// The lines in which what a guest listed on its console differs from a folder of the host, `-` the guest's.
    static func differences(of console: String, from folder: FilePath) async throws -> [String] {
        let (guest, host) = (Set(try listed(on: console)), Set(try await listed(in: folder)))
        return guest.subtracting(host).sorted().map { "- \($0)" }
            + host.subtracting(guest).sorted().map { "+ \($0)" }
    }

    /// The tree of a folder of the host, listed by the same program.
    static func listed(in folder: FilePath) async throws -> [String] {
        let script = "cd \"$1\" && exec busybox sh bin/list-tree"
        return try listed(on: try await check("sh", ["-c", script, "sh", folder.string]))
    }
}
