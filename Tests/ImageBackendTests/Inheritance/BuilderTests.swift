import Glibc
import Host
import OCI
import Store
import SystemPackage
import TestSupport
import Testing

@testable import ImageBackend

/// Images as their builders write them, each unpacked by umoci and seen by a guest.
@Suite("An image built by", .serialized)
struct BuilderTests {
    private let test: TestBackend
    private let folder: TemporaryDirectory

    init() throws {
        test = try TestBackend()
        folder = try TemporaryDirectory("builder")
    }

    /// Imports an OCI layout as an archive and compares it with `umoci unpack` of the same layout.
    private func compare(_ layout: FilePath, ignoring links: LinkComparison = .none) async throws {
        let archive = folder.appending("image.oci")
        try await check("tar", ["-C", layout.string, "-cf", archive.string, "."])
        let image = try await test.backend.import(
            ImportRequest(name: "built", files: [archive], source: .hand),
            tracker: SilentTracker()
        )
        let unpacked = try await Unpacked(layout: layout)
        let stack = LayerStackFixture(image, in: test)
        try await stack.guest { root in
            let lines = try unpacked.differences(from: root, ignoring: links)
            let count = try TreeListing(root).entries.count
            #expect(lines == [] && count > 5)
        }
    }

    /// A base with the folders that matter, as a tree on disk.
    private func makeBase(_ root: FilePath) async throws {
        let script = """
            umask 022; mkdir -p "$1"; cd "$1"; mkdir -p tmp usr/lib/x86 usr/bin etc root var/lib
            chmod 1777 tmp; chmod 700 root; chown 3:4 var/lib; chmod 2775 var/lib
            ln -s usr/lib lib; ln -s /usr/bin bin
            echo libc > usr/lib/libc.so; echo sh > usr/bin/sh; ln usr/bin/sh usr/bin/bash
            echo root > etc/passwd; chmod 640 etc/passwd; echo old > etc/old
            mknod usr/null c 1 3; mkfifo usr/pipe
            setfattr -n user.note -v base usr/lib
            find . -exec touch -h -d '2021-03-04 05:06:07.123456789' {} +
            """
        try await check("sh", ["-ec", script, "sh", root.string])
    }

    @Test("umoci, whose layers imply all their parents")
    func umoci() async throws {
        let layout = folder.appending("layout")
        let image = "\(layout):latest"
        try await check("umoci", ["init", "--layout", layout.string])
        try await check("umoci", ["new", "--image", image])
        let bundle = folder.appending("bundle")
        try await check("umoci", ["unpack", "--image", image, bundle.string])
        try await makeBase(bundle.appending("rootfs"))
        try await check("umoci", ["repack", "--image", image, bundle.string])
        for script in [
            "echo x > tmp/x; mkdir -p usr/local/lib; echo y > usr/local/lib/y; echo z > usr/lib/z",
            "rm etc/old; rm -r usr/lib/x86; echo new > root/new; ln usr/lib/z usr/lib/z2; chmod 711 var",
            "rm lib; mkdir lib; echo own > lib/own; rm -r tmp; mkdir -m 1777 tmp",
        ] {
            let next = folder.appending("bundle-\(UInt32.random(in: 0 ... .max))")
            try await check("umoci", ["unpack", "--image", image, next.string])
            try await check("sh", ["-ec", "cd \"$1/rootfs\"; \(script)", "sh", next.string])
            try await check("umoci", ["repack", "--image", image, next.string])
        }
        // umoci insert is what made a guest's /tmp lose its sticky bit.
        let file = try folder.write("inserted", to: "inserted")
        for path in ["/tmp/inserted", "/lib64/inserted", "/usr/bin/inserted"] {
            try await check("umoci", ["insert", "--image", image, file.string, path])
        }
        try await compare(layout)
    }

    @Test("buildah, from scratch")
    func buildah() async throws {
        let base = folder.appending("base")
        try await makeBase(base)
        let layout = folder.appending("layout")
        let script = """
            export STORAGE_DRIVER=vfs BUILDAH_ISOLATION=chroot; cd "$1"
            B="buildah --root $1/storage --runroot $1/run"
            c=$($B from scratch); $B copy -q $c base / >/dev/null; $B commit -q $c one >/dev/null
            c=$($B from one); echo x > x; $B copy -q $c x /tmp/x >/dev/null; $B copy -q $c x /new/deep/x >/dev/null
            m=$($B mount $c); rm $m/etc/old; $B umount $c >/dev/null; $B commit -q $c two >/dev/null
            $B push -q two "oci:$1/layout:latest"
            """
        try await check("sh", ["-ec", script, "sh", folder.path.string])
        try await compare(layout)
    }

    @Test("docker, as skopeo archives it")
    func dockerArchive() async throws {
        let layers = [
            InheritanceTests.base,
            archive {
                $0.addFile("tmp/x", "x")
                $0.addFile("lib/y", "y")
            },
            archive { $0.addFile("etc/.wh.passwd", "") },
        ]
        let unpacked = try await Unpacked(layers: layers)
        let saved = folder.appending("saved.docker")
        try await check(
            "skopeo",
            [
                "--insecure-policy", "copy", "-q", "oci:\(unpacked.layout):latest",
                "docker-archive:\(saved):saved:1",
            ]
        )
        let image = try await test.backend.import(
            ImportRequest(name: "saved", files: [saved], source: .hand),
            tracker: SilentTracker()
        )
        try await LayerStackFixture(image, in: test).guest { root in
            let lines = try unpacked.differences(from: root)
            #expect(lines == [])
        }
    }

    @Test("BuildKit and kaniko, whose layers name parents, or none, or repeat them")
    func others() async throws {
        // BuildKit: no root, every parent before its entry, whiteouts before what replaces them.
        let buildKit = archive {
            $0.addDirectory("usr/", mode: 0o755)
            $0.addDirectory("usr/lib/", mode: 0o755)
            $0.addFile("usr/lib/.wh.libc.so", "")
            $0.addFile("usr/lib/libm.so", "m")
            $0.addDirectory("work/", mode: 0o755)
            $0.addHardLink("work/libm", to: "usr/lib/libm.so")
        }
        // kaniko: a root, absolute names, parents repeated.
        let kaniko = archive {
            $0.addDirectory("/", mode: 0o755)
            $0.addDirectory("/tmp/", mode: 0o1777)
            $0.addFile("/tmp/k", "k")
            $0.addDirectory("/tmp/", mode: 0o1777)
            $0.addFile("/tmp/l", "l")
        }
        // ko, bazel: files alone.
        let bare = archive {
            $0.addFile("usr/lib/deep/app", "app", mode: 0o755)
            $0.addFile("opt/app/run", "run", mode: 0o755)
        }
        let stack = try await LayerStackFixture(
            [InheritanceTests.base, buildKit, kaniko, bare, buildKit],
            in: test
        )
        #expect(try await stack.differences() == [])
    }
}
