import Foundation
import Host
import OCI
import SystemPackage
import TestSupport
import Testing

@Suite("What is an image in the inbox, as real tools write it")
struct ImageKindsTests {
    /// A root file system, a layer over it, and an OCI layout of both that umoci made.
    private struct Material {
        let folder: TemporaryDirectory
        var layout: String { folder.appending("layout").string }

        init() async throws {
            folder = try TemporaryDirectory("material")
            try await check(
                "bash",
                [
                    "-ec",
                    """
                    cd \(folder.path); mkdir -p rootfs/etc rootfs/bin top/etc
                    echo web >rootfs/etc/hostname; echo one >rootfs/bin/sh; ln rootfs/bin/sh rootfs/bin/ash
                    ln -s sh rootfs/bin/bash; echo two >top/etc/motd
                    tar -C rootfs -cf base.tar .; tar -C top -cf top.tar .
                    umoci init --layout layout; umoci new --image layout:v1
                    umoci raw add-layer --image layout:v1 base.tar; umoci raw add-layer --image layout:v1 top.tar
                    """,
                ]
            )
        }

        func run(_ script: String) async throws {
            try await check("bash", ["-ec", "cd \(folder.path); \(script)"])
        }
    }

    private func references(_ item: String, of installation: Installation) throws -> Set<String> {
        Set(try installation.receipt(item)?["references"] as? [String] ?? [])
    }

    @Test("a root file system in a tar of every compression, told by its bytes whatever its name says")
    func rootFileSystems() async throws {
        let material = try await Material()
        let installation = try Installation()
        let inbox = installation.root.appending("inbox")
        try await material.run(
            """
            cp base.tar \(inbox)/plain.tar
            gzip -c base.tar >\(inbox)/gzip.tar.gz
            zstd -qc base.tar >\(inbox)/zstd.tar.zst
            xz -c base.tar >\(inbox)/xz.tar.xz
            bzip2 -c base.tar >\(inbox)/bzip2.tar.bz2
            lz4 -qc base.tar >\(inbox)/lz4.tar.lz4
            zstd -qc base.tar >\(inbox)/lies.tar.gz
            gzip -c base.tar >\(inbox)/nameless
            bsdtar -C rootfs -cf \(inbox)/bsdtar.tar .
            bsdtar -C rootfs --format=pax -czf \(inbox)/bsdpax.tgz .
            tar -C rootfs --format=gnu -cf \(inbox)/gnu.tar .
            tar -C rootfs --format=pax -cf 'registry.example%2Fteam%2Fapp@1.2.tar' .
            mv 'registry.example%2Fteam%2Fapp@1.2.tar' \(inbox)
            """
        )
        let result = try await installation.slipway("agent", "--once")
        #expect(result.status == 0, "\(result.errors)")
        let digest = Digest.sha256(of: try material.folder.bytes(of: "base.tar")).description
        for item in [
            "plain.tar", "gzip.tar.gz", "zstd.tar.zst", "xz.tar.xz", "bzip2.tar.bz2", "lz4.tar.lz4",
            "lies.tar.gz", "nameless",
        ] {
            let layers = try installation.receipt(item)?["layers"] as? [[String: Any]]
            #expect(layers?.map { $0["diffID"] as? String } == [digest], "\(item)")
        }
        for item in ["bsdtar", "bsdpax", "gnu"] {
            let listing = try await installation.slipway("image", "files", "-r", "localhost/\(item)")
            #expect(listing.output.contains("etc/hostname") && listing.output.contains("bin/ash"), "\(item)")
        }
        #expect(
            try references("registry.example%252Fteam%252Fapp@1.2.tar", of: installation)
                == ["registry.example/team/app:1.2"]
        )
        // One layer, one blob, however it was compressed.
        let listing = try await installation.files(below: "store/blobs").filter { $0.hasSuffix(".erofs") }
        #expect(listing.count { $0.contains(digest.dropFirst(7)) } == 1)
    }

    @Test("archives of images under the names that they give them, compressed as a whole or not")
    func archives() async throws {
        let material = try await Material()
        let installation = try Installation()
        let inbox = installation.root.appending("inbox")
        try await material.run(
            """
            copy() { skopeo --insecure-policy copy -q "$@"; }
            copy oci:layout:v1 docker-archive:docker.tar:example.org/web:1 --additional-tag example.org/web:stable
            copy oci:layout:v1 oci-archive:\(inbox)/tagged.tar:2.0
            copy oci:layout:v1 docker-archive:\(inbox)/untagged.tar
            cp docker.tar \(inbox); gzip -c docker.tar >\(inbox)/again.tar.gz; xz -c docker.tar >\(inbox)/again.tar.xz
            # Several images in one layout, one of them of two names.
            copy oci:layout:v1 oci:many:localhost/one:1
            umoci config --image layout:v1 --tag v2 --config.env A=B
            copy oci:layout:v2 oci:many:localhost/two:1; copy oci:layout:v2 oci:many:localhost/three:1
            tar -C many -cf \(inbox)/many.tar .
            """
        )
        let result = try await installation.slipway("agent", "--once")
        #expect(result.status == 0, "\(result.errors)")
        for item in ["docker.tar", "again.tar.gz", "again.tar.xz"] {
            #expect(
                try references(item, of: installation) == ["example.org/web:1", "example.org/web:stable"],
                "\(item)"
            )
        }
        #expect(try references("tagged.tar", of: installation) == ["localhost/tagged:2.0"])
        #expect(try references("untagged.tar", of: installation) == ["localhost/untagged:latest"])
        let many = try #require(try installation.receipt("many.tar"))
        #expect(
            Set(many["references"] as? [String] ?? []).isSuperset(of: [
                "localhost/one:1", "localhost/two:1", "localhost/three:1",
            ])
        )
        #expect((many["images"] as? [[String: Any]])?.count ?? 0 >= 2)
        // The next round finds everything in its place.
        let again = try await installation.slipway("agent", "--once")
        #expect(again.status == 0 && !again.errors.contains("importing"), "\(again.errors)")
        // When a file of several images goes, all of them are released.
        try Directory.unlink(inbox.appending("many.tar"))
        _ = try await installation.slipway("agent", "--once")
        let left = try await installation.slipway("image", "ls").output
        #expect(!left.contains("localhost/two"))
    }

    @Test("an OCI layout as a folder, and Docker's hybrid of both kinds of archive")
    func layouts() async throws {
        let material = try await Material()
        let installation = try Installation(settings: "inbox: { folderSettle: 300ms }\n")
        let inbox = installation.root.appending("inbox")
        try await material.run(
            """
            cp -r layout \(inbox)/app.image
            config=$(python3 - <<'PYTHON'
            import json
            index = json.load(open('layout/index.json'))
            read = lambda d: json.load(open('layout/blobs/' + d.replace(':', '/')))
            manifest = read(index['manifests'][0]['digest'])
            blob = lambda d: 'blobs/' + d['digest'].replace(':', '/')
            json.dump([{'Config': blob(manifest['config']), 'RepoTags': ['example.org/hybrid:1'],
                        'Layers': [blob(l) for l in manifest['layers']]}], open('layout/manifest.json', 'w'))
            PYTHON
            )
            tar -C layout -cf \(inbox)/hybrid.tar blobs index.json manifest.json oci-layout
            """
        )
        let result = try await installation.slipway("agent", "--once")
        #expect(result.status == 0, "\(result.errors)")
        #expect(try references("app.image", of: installation) == ["localhost/app:v1"])
        #expect(try references("hybrid.tar", of: installation) == ["example.org/hybrid:1"])
        let diffIDs = try ["app.image", "hybrid.tar"].map { item in
            (try installation.receipt(item)?["layers"] as? [[String: Any]])?.map { $0["diffID"] as? String }
        }
        #expect(diffIDs[0] == diffIDs[1] && diffIDs[0]?.count == 2)
        let again = try await installation.slipway("agent", "--once")
        #expect(again.status == 0 && !again.errors.contains("importing"), "\(again.errors)")
    }

    @Test("what buildah builds and pushes, from layer to archive")
    func buildah() async throws {
        let material = try await Material()
        let installation = try Installation()
        let inbox = installation.root.appending("inbox")
        try await material.run(
            """
            export BUILDAH_ISOLATION=chroot
            build() { buildah --root $PWD/storage --runroot $PWD/run --storage-driver vfs "$@"; }
            container=$(build from scratch)
            build add -q $container rootfs / >/dev/null
            build config --cmd /bin/sh --entrypoint '["/bin/sh"]' $container
            build commit -q $container localhost/built:1 >/dev/null
            build push -q localhost/built:1 docker-archive:\(inbox)/docker.tar:localhost/built:1
            build push -q localhost/built:1 oci-archive:\(inbox)/oci.tar:localhost/built:2
            build rm $container >/dev/null
            """
        )
        let result = try await installation.slipway("agent", "--once")
        #expect(result.status == 0, "\(result.errors)")
        #expect(try references("docker.tar", of: installation) == ["localhost/built:1"])
        #expect(try references("oci.tar", of: installation) == ["localhost/built:2"])
        let file = try await installation.slipway("image", "cat", "localhost/built:1", "/etc/hostname")
        #expect(file.output == "web\n")
    }
}
