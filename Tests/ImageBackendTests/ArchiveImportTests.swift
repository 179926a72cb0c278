import Host
import OCI
import Store
import SystemPackage
import TestSupport
import Testing

@testable import ImageBackend

@Suite("Importing an archive of images")
struct ArchiveImportTests {
    private let base = tar(["a": "base", "boot/vmlinuz": "k", "boot/initrd.img": "i"])
    private let top = tar(["b": "top", ".wh.a": ""])

    /// An OCI layout of the two layers, made by umoci, as a folder.
    private func layout(in folder: TemporaryDirectory) async throws -> String {
        let layout = folder.appending("layout").string
        try await check("umoci", ["init", "--layout", layout])
        try await check("umoci", ["new", "--image", "\(layout):latest"])
        for (position, layer) in [base, top].enumerated() {
            let file = try folder.write(layer, to: "\(position).tar")
            try await check("umoci", ["raw", "add-layer", "--image", "\(layout):latest", file.string])
        }
        return layout
    }

    private func archive(_ kind: String, in folder: TemporaryDirectory) async throws -> FilePath {
        let target = folder.appending("\(kind).tar")
        let layout = try await layout(in: folder)
        let reference = kind == "docker-archive" ? "example.org/web:1" : "latest"
        try await check(
            "skopeo",
            ["--insecure-policy", "copy", "oci:\(layout):latest", "\(kind):\(target):\(reference)"]
        )
        return target
    }

    @Test("gives the image with its own config and layers", arguments: ["oci-archive", "docker-archive"])
    func image(kind: String) async throws {
        let folder = try TemporaryDirectory("archive")
        let file = try await archive(kind, in: folder)
        let test = try TestBackend()
        let image = try await test.backend.import(
            ImportRequest(name: "web", files: [file], source: .hand),
            tracker: SilentTracker()
        )
        #expect(image.layers.map(\.diffID) == [base, top].map { Digest.sha256(of: $0) })
        #expect(image.references == ["localhost/web:latest"])
        #expect(image.kernel != nil)
        #expect(image.created != nil)
        // The same layers as plain tars are the same blobs.
        let plain = try await test.importing("plain", base, top)
        #expect(plain.layers.map(\.key) == image.layers.map(\.key))
        #expect(plain.imported?.bytesAdded == 0)
    }

    @Test("keeps the manifest's digest of an OCI layout")
    func identity() async throws {
        let folder = try TemporaryDirectory("archive")
        let file = try await archive("oci-archive", in: folder)
        let digest = try await check("skopeo", ["inspect", "--format", "{{.Digest}}", "oci-archive:\(file)"])
        let test = try TestBackend()
        let image = try await test.backend.import(
            ImportRequest(name: "web", files: [file], source: .hand),
            tracker: SilentTracker()
        )
        #expect("\(image.digest)\n" == digest)
    }

    @Test("refuses one among several files, and a selection that it does not hold")
    func refusals() async throws {
        let folder = try TemporaryDirectory("archive")
        let file = try await archive("docker-archive", in: folder)
        let plain = try folder.write(base, to: "plain.tar")
        let test = try TestBackend()
        let among = await #expect(throws: ImageError.self) {
            try await test.backend.import(
                ImportRequest(name: "web", files: [plain, file], source: .hand),
                tracker: SilentTracker()
            )
        }
        #expect(among?.message.contains("docker-archive.tar") == true)
        let missing = await #expect(throws: ImageError.self) {
            try await test.backend.import(
                ImportRequest(name: "web", inputs: [.path(file)], select: "other:1", source: .hand),
                tracker: SilentTracker()
            )
        }
        #expect(missing?.code == .notFound && missing?.message.contains("example.org/web:1") == true)
    }

    @Test("finds a layer whose bytes are not those that the manifest promises")
    func damaged() async throws {
        let folder = try TemporaryDirectory("archive")
        let layout = try await layout(in: folder)
        let digest = Digest.sha256(of: base)
        // umoci stores gzip layers; flip a byte in every blob that is one.
        try await check(
            "python3",
            [
                "-c",
                """
                import glob,sys
                for f in glob.glob(sys.argv[1]+'/blobs/sha256/*'):
                    b=bytearray(open(f,'rb').read())
                    if b[:2]==b'\\x1f\\x8b': b[len(b)//2]^=1; open(f,'wb').write(b)
                """, layout,
            ]
        )
        let file = folder.appending("damaged.tar")
        try await check("tar", ["-C", layout, "-cf", file.string, "."])
        let test = try TestBackend()
        let error = await #expect(throws: ImageError.self) {
            try await test.backend.import(
                ImportRequest(name: "web", files: [file], source: .hand),
                tracker: SilentTracker()
            )
        }
        #expect([.digestMismatch, .invalidArchive, .truncated, .notATar].contains(error?.code), "\(digest)")
    }
}
