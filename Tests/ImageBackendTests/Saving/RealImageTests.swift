import Host
import OCI
import Store
import SystemPackage
import TestSupport
import Testing

@testable import ImageBackend

@Suite("Saving a real image", .serialized)
struct RealImageTests {
    @Test("of a Debian root and a layer over it changes nothing that an unpacker or a guest sees")
    func debian() async throws {
        let here = try TestBackend()
        let base = here.folder.appending("debian.tar")
        try await check(
            "mmdebstrap",
            ["--quiet", "--mode=root", "--variant=minbase", "bookworm", base.string]
        )
        let top = archive {
            $0.addFile("etc/.wh.motd", "")
            $0.addFile("var/lib/dpkg/info/.wh..wh..opq", "")
            $0.addFile("lib/through-the-link", "x")
            $0.addFile("etc/hostname", "saved\n")
        }
        let image = try await here.backend.import(
            ImportRequest(
                name: "debian",
                files: [base, try here.folder.write(top, to: "top.tar")],
                source: .hand
            ),
            tracker: SilentTracker()
        )
        let original = try await Unpacked(image, in: here)
        let (file, report) = try await here.saving("debian")
        let saved = try await unpacked(file)
        // Neither what a layer describes nor what umoci makes for folders that none does differs.
        #expect(try saved.differences(from: original.root) == [])
        #expect(try TreeListing(original.root).entries.count > 3000)

        let seen = try await here.guestListing(image)
        for (name, archive) in [
            ("tars", file), ("native", try await here.saving("debian", as: .native, to: "native.tar").file),
        ] {
            let there = try TestBackend()
            let taken = try await there.importing(archive: archive, as: "debian")
            #expect(try await there.guestListing(taken).differences(from: seen) == [], "\(name)")
            guard name == "tars" else { continue }
            #expect(taken.digest == report.images[0].savedDigest)
            // What came out of a save comes out of the next one as it is.
            #expect(try await there.saving("debian").report.images[0].savedDigest == taken.digest)
        }
    }

    @Test("is taken by skopeo with every layer's digest as the manifest says")
    func skopeo() async throws {
        let here = try TestBackend()
        try await here.importing("registry.example/team/app:1", InheritanceTests.base, SaveTests.top)
        for (form, name) in [
            (SaveRequest.Form.tar(.none), "none"), (.tar(.gzip), "gzip"), (.tar(.zstd), "zstd"),
        ] {
            let (file, report) = try await here.saving(
                "registry.example/team/app:1",
                as: form,
                to: "\(name).tar"
            )
            let layout = here.folder.appending("oci-\(name)")
            // By its full reference, digests verified on the way, nothing changed.
            try await check(
                "skopeo",
                [
                    "--insecure-policy", "copy", "--preserve-digests",
                    "oci-archive:\(file):registry.example/team/app:1", "oci:\(layout):1",
                ]
            )
            let digest = try await check("skopeo", ["inspect", "--format", "{{.Digest}}", "oci:\(layout):1"])
            #expect(digest == "\(report.images[0].savedDigest)\n")
            for layer in report.images[0].layers {
                let path = layout.appending("blobs").appending("sha256").appending(layer.digest.hex)
                #expect(try FileStatus.of(path)?.size == layer.bytes)
            }
        }
        // Docker's form of the same file, for tools that know no other.
        let docker = try await check(
            "skopeo",
            ["inspect", "--format", "{{.Digest}}", "docker-archive:\(here.folder.appending("gzip.tar"))"]
        )
        #expect(docker.hasPrefix("sha256:"))
    }
}
