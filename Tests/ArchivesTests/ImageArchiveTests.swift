import Archives
import Host
import OCI
import SystemPackage
import TestSupport
import Testing

/// Archives of images put together blob by blob.
@Suite("Image archive")
struct ImageArchiveTests {
    @Test("reads an OCI layout, with names from either annotation")
    func layout() throws {
        let image = SampleImage()
        for (annotations, references, tag) in [
            (
                #""io.containerd.image.name":"docker.io/library/a:1","org.opencontainers.image.ref.name":"1""#,
                ["docker.io/library/a:1"], nil
            ),
            (#""org.opencontainers.image.ref.name":"localhost/a:2""#, ["localhost/a:2"], nil),
            (#""org.opencontainers.image.ref.name":"v3""#, [], "v3"), ("", [], nil),
        ] as [(String, [String], String?)] {
            let archive = try #require(try open(image.layout(annotations: annotations)))
            #expect(archive.kind == .ociLayout)
            let found = try #require(archive.images.first)
            #expect(archive.images.count == 1)
            #expect(found.references == references)
            #expect(found.tag == tag)
            #expect(found.manifestBytes == image.manifest)
            #expect(found.manifestDigest == .sha256(of: image.manifest))
            #expect(found.configBytes == image.config && found.configDigest == .sha256(of: image.config))
            #expect(found.layers.map(\.digest) == image.layers.map { .sha256(of: $0) })
            for (layer, bytes) in zip(found.layers, image.layers) {
                #expect(try readAll(archive.layerSource(layer)) == bytes)
            }
        }
    }

    @Test("reads a docker-archive whose layers are links to one another")
    func dockerArchive() throws {
        let image = SampleImage()
        var tar = TarBuilder()
        let id = Digest.sha256(of: image.config).hex
        tar.add("\(id).json", content: image.config)
        tar.addDirectory("a/")
        tar.add("a/layer.tar", content: image.layers[0])
        tar.addSymbolicLink("b/layer.tar", to: "../a/layer.tar")
        tar.addHardLink("c/layer.tar", to: "d.tar")
        tar.add("d.tar", content: image.layers[1])
        tar.addFile(
            "manifest.json",
            #"[{"Config":"\#(id).json","RepoTags":["a:1","b:2"],"Layers":["b/layer.tar","c/layer.tar"]}]"#
        )
        let archive = try #require(try open(tar.finish()))
        #expect(archive.kind == .dockerArchive)
        let found = try #require(archive.images.first)
        #expect(found.references == ["a:1", "b:2"])
        #expect(found.manifestBytes == nil && found.configBytes == image.config)
        #expect(found.layers.map(\.diffID) == found.config.diffIDs)
        #expect(try found.layers.map { try readAll(archive.layerSource($0)) } == image.layers)
    }

    @Test("of Docker's hybrid the layout counts, and RepoTags add their names")
    func hybrid() throws {
        let image = SampleImage()
        let config = Digest.sha256(of: image.config).hex
        let manifest = #"[{"Config":"blobs/sha256/\#(config)","RepoTags":["a:1","b:2"],"Layers":["x"]}]"#
        let archive = try #require(
            try open(
                image.layout(
                    annotations: #""io.containerd.image.name":"docker.io/library/a:1""#,
                    extra: [("manifest.json", manifest)]
                )
            )
        )
        #expect(archive.kind == .ociLayout)
        #expect(archive.images.map(\.references) == [["docker.io/library/a:1", "b:2"]])
    }

    @Test("passes over other platforms and attestations, whose blobs may be missing")
    func platforms() throws {
        let image = SampleImage()
        let host = Platform.host
        let missing = String(repeating: "0", count: 64)
        let type = "application/vnd.oci.image.manifest.v1+json"
        let index = #"""
            {"schemaVersion":2,"manifests":[
            {"mediaType":"\#(type)","digest":"sha256:\#(missing)","size":1,"platform":{"os":"linux","architecture":"s390x"}},
            {"mediaType":"\#(type)","digest":"sha256:\#(missing)","size":1,"platform":{"os":"unknown","architecture":"unknown"},
             "annotations":{"vnd.docker.reference.type":"attestation-manifest"}},
            {"mediaType":"\#(type)","digest":"\#(Digest.sha256(of: image.manifest))","size":\#(image.manifest.count),
             "platform":{"os":"\#(host.os)","architecture":"\#(host.architecture)"}}]}
            """#
        let archive = try #require(try open(image.nested(index)))
        #expect(archive.images.map(\.references) == [["localhost/multi:1"]])
        #expect(archive.images.first?.manifestBytes == image.manifest)
        let other = Platform(os: "linux", architecture: "riscv64")
        let error = #expect(throws: ArchiveError.self) { try open(image.nested(index), platform: other) }
        #expect(error?.code == .unsupported)
        #expect(
            error?.message.contains("linux/s390x") == true && error?.message.contains("linux/riscv64") == true
        )
    }

    @Test("a plain tar is none, a web application's manifest.json in it notwithstanding")
    func plainTar() throws {
        var tar = TarBuilder()
        tar.addDirectory("./")
        tar.addFile("./manifest.json", #"{"name":"app","icons":[]}"#)
        tar.addFile("./index.json", "[]")
        tar.addFile("./etc/hostname", "x")
        #expect(try open(tar.finish()) == nil)
        #expect(try open(TarCorpus.everything()) == nil)
        #expect(try open([UInt8](repeating: 0, count: 1024)) == nil)
    }

    @Test(
        "a compressed archive of images is read, in whatever order its layers are asked for",
        arguments: ["gzip -c", "zstd -qc", "xz -c", "bzip2 -c", "lz4 -qc"]
    )
    func compressed(program: String) async throws {
        let image = SampleImage()
        let folder = try TemporaryDirectory("archives")
        let plain = try folder.write(image.layout(), to: "plain")
        let file = folder.appending("x.tar")
        try await check("sh", ["-c", "\(program) <\(plain) >\(file)"])
        let archive = try #require(try ImageArchive.open(File.regular(file), name: "x.tar"))
        #expect(archive.isSequential)
        #expect(archive.digest == .sha256(of: try folder.bytes(of: "x.tar")))
        let found = try #require(archive.images.first)
        #expect(found.manifestBytes == image.manifest && found.configBytes == image.config)
        for _ in 0..<2 {
            for (layer, bytes) in zip(found.layers, image.layers).reversed() {
                #expect(try readAll(archive.layerSource(layer)) == bytes)
            }
            // One that is given up half way is nobody's trouble.
            let half = archive.layerSource(found.layers[0])
            var buffer = [UInt8](repeating: 0, count: 100)
            #expect(try buffer.withUnsafeMutableBytes { try half.read(into: $0) } == 100)
        }
    }

    @Test("a compressed root file system is none, and a compressed archive that is cut off says so")
    func compressedOthers() async throws {
        let folder = try TemporaryDirectory("archives")
        for (bytes, isImages) in [(TarCorpus.everything(), false), (SampleImage().layout(), true)] {
            try folder.write(bytes, to: "plain")
            try await check("sh", ["-c", "zstd -q -f \(folder.path)/plain -o \(folder.path)/out"])
            guard isImages else {
                #expect(
                    try ImageArchive.open(File.regular(folder.appending("out")), name: "x.tar.zst") == nil
                )
                continue
            }
            try folder.write(try folder.bytes(of: "out").dropLast(40), to: "cut")
            let error = #expect(throws: ArchiveError.self) {
                try ImageArchive.open(File.regular(folder.appending("cut")), name: "x.tar.zst")
            }
            #expect(error?.code == .truncated && error?.message.contains("x.tar.zst") == true)
        }
    }

    @Test("an OCI layout that is a folder is read, and nothing outside of it")
    func folder() async throws {
        let image = SampleImage()
        let folder = try TemporaryDirectory("archives")
        let tar = try folder.write(image.layout(), to: "x.tar")
        let layout = folder.appending("layout")
        try Directory.create(layout)
        try await check("tar", ["-C", layout.string, "-xf", tar.string])
        let archive = try ImageArchive.open(layout: layout)
        let found = try #require(archive.images.first)
        #expect(archive.kind == .ociLayout && archive.files.count == 2)
        for (layer, bytes) in zip(found.layers, image.layers) {
            #expect(try readAll(archive.layerSource(layer)) == bytes)
        }
        let blob = layout.pushing(FilePath(found.layers[0].path))
        try Directory.rename(blob, to: folder.appending("outside"))
        try await check("ln", ["-s", folder.appending("outside").string, blob.string])
        let error = #expect(throws: ArchiveError.self) { try ImageArchive.open(layout: layout) }
        #expect(error?.message.contains(found.layers[0].path) == true)
        let empty = folder.appending("empty")
        try Directory.create(empty)
        #expect(throws: ArchiveError.self) { try ImageArchive.open(layout: empty) }
    }

    @Test("whatever is missing, damaged or of another size is an error that names it")
    func damage() throws {
        let image = SampleImage()
        let good = image.layout()
        #expect(try open(good) != nil)
        let blobs = [image.manifest, image.config, image.layers[1]].map {
            "blobs/sha256/\(Digest.sha256(of: $0).hex)"
        }
        for path in blobs {
            let error = #expect(throws: ArchiveError.self) { try open(image.layout(leavingOut: path)) }
            #expect(error?.code == .invalid && error?.message.contains("'\(path)' is missing") == true)
        }
        for path in blobs[..<2] {
            let error = #expect(throws: ArchiveError.self) { try open(image.layout(damaging: path)) }
            #expect(error?.code == .checksum && error?.message.contains(path) == true)
        }
        for path in ["oci-layout", "index.json"] {
            let error = #expect(throws: ArchiveError.self) { try open(image.layout(leavingOut: path)) }
            #expect(error?.code == .invalid)
            #expect(throws: ArchiveError.self) { try open(image.layout(extra: [(path, "{}")])) }
        }
        let cut = #expect(throws: ArchiveError.self) { try open(Array(good[..<(good.count - 2000)])) }
        #expect(cut?.code == .truncated)
    }

    @Test("links that lead nowhere, round, or out of the archive are errors")
    func links() throws {
        let image = SampleImage()
        let id = Digest.sha256(of: image.config).hex
        for target in ["b/layer.tar", "../../etc/passwd", "/nothing", "../a"] {
            var tar = TarBuilder()
            tar.add("\(id).json", content: image.config)
            tar.add("a/layer.tar", content: image.layers[0])
            tar.addSymbolicLink("b/layer.tar", to: target)
            tar.addFile(
                "manifest.json",
                #"[{"Config":"\#(id).json","RepoTags":null,"Layers":["a/layer.tar","b/layer.tar"]}]"#
            )
            let error = #expect(throws: ArchiveError.self) { try open(tar.finish()) }
            #expect(error?.code == .invalid && error?.message.contains("b/layer.tar") == true)
        }
    }

    @Test("what skopeo and umoci write is read", arguments: ["docker-archive", "oci-archive"])
    func tools(format: String) async throws {
        let folder = try TemporaryDirectory("archives")
        var layer = TarBuilder()
        layer.addFile("etc/hostname", "slipway\n")
        try folder.write(layer.finish(), to: "layer.tar")
        let image = "\(folder.path)/oci:v1"
        try await check("umoci", ["init", "--layout", "\(folder.path)/oci"])
        try await check("umoci", ["new", "--image", image])
        for _ in 0..<2 {
            try await check("umoci", ["raw", "add-layer", "--image", image, "\(folder.path)/layer.tar"])
        }
        let target = "\(folder.path)/out.tar"
        try await check(
            "skopeo",
            ["--insecure-policy", "copy", "-q", "oci:\(image)", "\(format):\(target):localhost/tool:v1"]
        )
        let archive = try #require(try ImageArchive.open(File.regular(FilePath(target)), name: "out.tar"))
        let found = try #require(archive.images.first)
        #expect(found.references == ["localhost/tool:v1"])
        #expect(found.layers.count == 2)
        for stored in found.layers {
            let digesting = DigestingSource(
                DecompressingSource(archive.layerSource(stored), name: stored.path)
            )
            _ = try readAll(digesting)
            #expect(digesting.finish().digest == stored.diffID)
        }
        // The layout itself, as a folder that was packed.
        try await check("tar", ["-C", "\(folder.path)/oci", "-cf", target, "."])
        let packed = try #require(try ImageArchive.open(File.regular(FilePath(target)), name: "out.tar"))
        #expect(packed.images.map(\.tag) == ["v1"])
    }

    private func open(_ bytes: [UInt8], platform: Platform = .host) throws -> ImageArchive? {
        let folder = try TemporaryDirectory("archives")
        return try ImageArchive.open(
            File.regular(folder.write(bytes, to: "x.tar")),
            name: "x.tar",
            platform: platform
        )
    }
}

/// An image of two layers for this host, and archives of it.
private struct SampleImage {
    let layers = [TarCorpus.everything(), TarBuilder().finish()]
    let config: [UInt8]
    let manifest: [UInt8]

    init() {
        let diffIDs = layers.map { "\"\(Digest.sha256(of: $0))\"" }.joined(separator: ",")
        let host = Platform.host
        config = Array(
            #"{"os":"\#(host.os)","architecture":"\#(host.architecture)","rootfs":{"type":"layers","diff_ids":[\#(diffIDs)]}}"#
                .utf8
        )
        let descriptors = layers.map { Self.descriptor("application/vnd.oci.image.layer.v1.tar", $0) }.joined(
            separator: ","
        )
        let configDescriptor = Self.descriptor("application/vnd.oci.image.config.v1+json", config)
        manifest = Array(
            #"{"schemaVersion":2,"config":\#(configDescriptor),"layers":[\#(descriptors)]}"#.utf8
        )
    }

    static func descriptor(_ type: String, _ bytes: [UInt8], annotations: String = "") -> String {
        #"{"mediaType":"\#(type)","digest":"\#(Digest.sha256(of: bytes))","size":\#(bytes.count),"annotations":{\#(annotations)}}"#
    }

    func layout(
        annotations: String = "",
        leavingOut: String = "",
        damaging: String = "",
        extra: [(String, String)] = []
    ) -> [UInt8] {
        let entry = Self.descriptor(
            "application/vnd.oci.image.manifest.v1+json",
            manifest,
            annotations: annotations
        )
        return archive(
            index: #"{"schemaVersion":2,"manifests":[\#(entry)]}"#,
            blobs: [manifest, config] + layers,
            leavingOut: leavingOut,
            damaging: damaging,
            extra: extra
        )
    }

    /// A layout whose index leads to another one.
    func nested(_ index: String) -> [UInt8] {
        let inner = Array(index.utf8)
        let entry = Self.descriptor(
            "application/vnd.oci.image.index.v1+json",
            inner,
            annotations: #""org.opencontainers.image.ref.name":"localhost/multi:1""#
        )
        return archive(
            index: #"{"schemaVersion":2,"manifests":[\#(entry)]}"#,
            blobs: [inner, manifest, config] + layers
        )
    }

    private func archive(
        index: String,
        blobs: [[UInt8]],
        leavingOut: String = "",
        damaging: String = "",
        extra: [(String, String)] = []
    ) -> [UInt8] {
        var tar = TarBuilder()
        tar.addDirectory("blobs/")
        tar.addDirectory("blobs/sha256/")
        for blob in blobs {
            let path = "blobs/sha256/\(Digest.sha256(of: blob).hex)"
            if path == leavingOut { continue }
            tar.add(path, content: path == damaging ? blob.map { $0 == 0x22 ? 0x27 : $0 } : blob)
        }
        for (path, text) in [("oci-layout", #"{"imageLayoutVersion":"1.0.0"}"#), ("index.json", index)]
            + extra
        where path != leavingOut { tar.addFile(path, text) }
        return tar.finish()
    }
}
