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
