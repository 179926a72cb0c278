import Archives
import Host
import OCI
import SystemPackage
import TestSupport
import Testing

/// Archives of images made to cost whoever opens them more than they are worth, or to lead out of themselves. Each is one
/// error that names the archive and the place in it.
@Suite("A hostile archive of images")
struct HostileArchiveTests {
    /// An OCI layout as a tar, put together without asking whether it makes sense.
    private struct Layout {
        var tar = TarBuilder()
        var manifests: [String] = []

        init() { tar.addFile("oci-layout", #"{"imageLayoutVersion":"1.0.0"}"#) }

        /// Adds a blob and returns its descriptor.
        mutating func blob(_ text: String, _ type: MediaType) -> String {
            let bytes = Array(text.utf8)
            let digest = Digest.sha256(of: bytes)
            tar.add("blobs/sha256/\(digest.hex)", content: bytes)
            return #"{"mediaType":"\#(type)","digest":"\#(digest)","size":\#(bytes.count)}"#
        }

        /// Adds an image and returns its descriptor.
        mutating func image(layers: Int = 1, comment: String = "") -> String {
            let layer = Array("layer".utf8)
            let digest = Digest.sha256(of: layer)
            tar.add("blobs/sha256/\(digest.hex)", content: layer)
            let host = Platform.host
            let diffIDs = Array(repeating: "\"\(digest)\"", count: layers).joined(separator: ",")
            let config = blob(
                #"{"os":"\#(host.os)","architecture":"\#(host.architecture)","rootfs":{"diff_ids":[\#(diffIDs)]}\#(comment)}"#,
                .ociConfig
            )
            let descriptor =
                #"{"mediaType":"\#(MediaType.ociLayer)","digest":"\#(digest)","size":\#(layer.count)}"#
            let list = Array(repeating: descriptor, count: layers).joined(separator: ",")
            return blob(#"{"schemaVersion":2,"config":\#(config),"layers":[\#(list)]}"#, .ociManifest)
        }

        mutating func index(of descriptors: [String]) -> String {
            blob(#"{"schemaVersion":2,"manifests":[\#(descriptors.joined(separator: ","))]}"#, .ociIndex)
        }

        /// The archive with the last of its documents.
        mutating func finish(_ descriptors: [String]) -> [UInt8] {
            tar.addFile(
                "index.json",
                #"{"schemaVersion":2,"manifests":[\#(descriptors.joined(separator: ","))]}"#
            )
            return tar.finish()
        }
    }

    private func failure(_ bytes: [UInt8], limits: ArchiveLimits = ArchiveLimits()) throws -> ArchiveError {
        let folder = try TemporaryDirectory("hostile")
        let file = try File.regular(try folder.write(bytes, to: "hostile.tar"))
        let error = try #require(
            throws: ArchiveError.self
        ) { try ImageArchive.open(file, name: "hostile.tar", limits: limits) }
        #expect(error.message.hasPrefix("hostile.tar"), "\(error)")
        return error
    }

    @Test("is opened where it is within all limits")
    func honest() throws {
        var layout = Layout()
        let image = layout.image(layers: 500)
        let nested = (0..<3).reduce(image) { inner, _ in layout.index(of: [inner]) }
        let folder = try TemporaryDirectory("honest")
        let file = try folder.write(layout.finish([nested]), to: "honest.tar")
        let archive = try #require(try ImageArchive.open(File.regular(file), name: "honest.tar"))
        #expect(archive.images.map(\.layers.count) == [500])
    }

    @Test("of more members than allowed is refused, however small they are")
    func members() throws {
        var layout = Layout()
        for number in 0...20_000 { layout.tar.add("blobs/sha256/\(number)") }
        let bytes = layout.finish([layout.image()])
        let error = try failure(bytes)
        #expect(error.code == .limitExceeded && error.message.contains("20000 members"), "\(error)")
        let bounded = try failure(bytes, limits: ArchiveLimits(members: 100))
        // The first member is the layout's own mark.
        #expect(
            bounded.message.contains("'blobs/sha256/99' (header at byte")
                && bounded.message.contains("100 members (store.limits.archiveMembers)"),
            "\(bounded)"
        )
        let stream = ArchiveStream(MemorySource(bytes), name: "a pipe", limits: ArchiveLimits(members: 100))
        let piped = try #require(throws: ArchiveError.self) { while try stream.next() != nil {} }
        #expect(piped.message.hasPrefix("a pipe: entry 'blobs/sha256/99'"), "\(piped)")
        let folder = try TemporaryDirectory("layout")
        try folder.write("{}", to: "index.json")
        for number in 0..<3 { try folder.write("", to: "blobs/sha256/\(number)") }
        let listed = try #require(throws: ArchiveError.self) {
            try ImageArchive.open(layout: folder.path, limits: ArchiveLimits(members: 2))
        }
        #expect(listed.message.hasPrefix("\(folder.path)/blobs/sha256: "), "\(listed)")
        #expect(listed.message.contains("2 members (store.limits.archiveMembers)"), "\(listed)")
    }

    @Test(
        "that unpacks to more than allowed is refused where it does, and so is one that comes through a pipe"
    )
    func bytes() async throws {
        var layout = Layout()
        layout.tar.add("blobs/sha256/zeros", content: [UInt8](repeating: 0, count: 3 << 20))
        let plain = layout.finish([layout.image()])
        let folder = try TemporaryDirectory("archives")
        let file = try folder.write(plain, to: "plain")
        try await check("sh", ["-c", "zstd -qc '\(file)' >'\(folder.path)/zstd'"])
        let limits = ArchiveLimits(bytes: 2 << 20)
        let error = try failure(try folder.bytes(of: "zstd"), limits: limits)
        #expect(error.code == .limitExceeded && error.message.contains("zstd stream at byte"), "\(error)")
        #expect(error.message.contains("2097152 bytes allowed (store.limits.archiveBytes)"), "\(error)")
        let stream = ArchiveStream(MemorySource(plain), name: "a pipe", limits: limits)
        let piped = try #require(throws: ArchiveError.self) { while try stream.next() != nil {} }
        #expect(piped.code == .limitExceeded && piped.message.contains("archiveBytes"), "\(piped)")
    }

    @Test("of more images than allowed is refused, and more layers in one")
    func images() throws {
        var layout = Layout()
        let image = layout.image()
        let many = try failure(layout.finish(Array(repeating: image, count: 1001)))
        #expect(many.code == .limitExceeded && many.message.contains("1001 images; 1000 are"), "\(many)")
        var two = Layout()
        let second = two.image()
        let fewer = try failure(two.finish([second, second]), limits: ArchiveLimits(images: 1))
        #expect(
            fewer.message.contains("'index.json' lists 2 images; 1 are allowed (store.limits.archiveImages)"),
            "\(fewer)"
        )
        var tall = Layout()
        let layers = try failure(tall.finish([tall.image(layers: 501)]))
        #expect(layers.code == .limitExceeded && layers.message.contains("501 layers; 500 are"), "\(layers)")
    }

    @Test("of indexes in indexes is refused at the fifth")
    func nesting() throws {
        var layout = Layout()
        let image = layout.image()
        let nested = (0..<4).reduce(image) { inner, _ in layout.index(of: [inner]) }
        let error = try failure(layout.finish([nested]))
        #expect(error.code == .limitExceeded && error.message.contains("4 deep"), "\(error)")
    }

    @Test("of a document larger than allowed is refused by its name and size, unread")
    func documents() throws {
        var index = Layout()
        index.tar.add("index.json", content: [UInt8](repeating: 0x20, count: (4 << 20) + 1))
        let large = try failure(index.tar.finish())
        #expect(
            large.code == .limitExceeded && large.message.contains("'index.json' has 4194305"),
            "\(large)"
        )
        var config = Layout()
        let image = config.image(comment: String(repeating: " ", count: 8 << 20))
        let configured = try failure(config.finish([image]))
        #expect(
            configured.code == .limitExceeded && configured.message.contains("8388608 are"),
            "\(configured)"
        )
    }

    @Test("that makes one large config many images' is refused before all of them are kept")
    func sharedConfig() throws {
        var layout = Layout()
        let config = layout.blob(
            #"{"os":"\#(Platform.host.os)","architecture":"\#(Platform.host.architecture)","rootfs":{"diff_ids":[]},"#
                + #""x":"\#(String(repeating: " ", count: 7 << 20))"}"#,
            .ociConfig
        )
        let images = (0..<20).map { number in
            layout.blob(
                #"{"schemaVersion":2,"config":\#(config),"layers":[],"annotations":{"n":"\#(number)"}}"#,
                .ociManifest
            )
        }
        let error = try failure(layout.finish(images))
        #expect(error.code == .limitExceeded && error.message.contains("64 MiB"), "\(error)")
    }

    @Test("of more tags than anyone gives is refused, and names too long for a member are nobody's")
    func names() throws {
        let config =
            #"{"os":"\#(Platform.host.os)","architecture":"\#(Platform.host.architecture)","rootfs":{"diff_ids":[]}}"#
        let id = Digest.sha256(of: config.utf8).hex
        func archive(_ tags: [String], config name: String) -> [UInt8] {
            var tar = TarBuilder()
            tar.addDirectory("\(id)/")
            tar.addFile(name, config)
            let list = tags.map { "\"\($0)\"" }.joined(separator: ",")
            tar.addFile("manifest.json", #"[{"Config":"\#(name)","RepoTags":[\#(list)],"Layers":[]}]"#)
            return tar.finish()
        }
        let many = try failure(archive((0...10_000).map { "a:\($0)" }, config: "\(id).json"))
        #expect(
            many.code == .limitExceeded && many.message.contains("'manifest.json' has 10001 tags"),
            "\(many)"
        )
        let long = try failure(archive([], config: String(repeating: "long/", count: 300) + "\(id).json"))
        #expect(long.code == .invalid && long.message.contains("is missing"), "\(long)")
    }

    @Test("compressed, is looked at no further than its first members tell")
    func beginning() async throws {
        let folder = try TemporaryDirectory("archives")
        var large = TarBuilder()
        large.add("index.json", content: [UInt8](repeating: 0x20, count: 5 << 20))
        large.addFile("oci-layout", "{}")
        var many = TarBuilder()
        for _ in 0..<200 { many.addFile("repositories", "") }
        many.addFile("oci-layout", "{}")
        for tar in [large, many] {
            let file = try folder.write(tar.finish(), to: "plain")
            try await check("sh", ["-c", "gzip -nc '\(file)' >'\(folder.path)/gz'"])
            #expect(try ImageArchive.open(File.regular(folder.appending("gz")), name: "x") == nil)
        }
    }

    @Test("of JSON in JSON is refused by the document's name")
    func jsonDepth() throws {
        let deep = String(repeating: "[", count: 100_000) + String(repeating: "]", count: 100_000)
        var layout = Layout()
        let error = try failure(layout.finish([layout.image(comment: #","x":\#(deep)"#)]))
        #expect(error.code == .invalid && error.message.contains("more than 100 deep"), "\(error)")
        #expect(error.message.contains("blobs/sha256/"), "\(error)")
        var index = Layout()
        let top = try failure(index.finish(["{\"x\":\(deep)}"]))
        #expect(top.message.contains("'index.json'") && top.message.contains("100 deep"), "\(top)")
    }

    @Test("whose members link to files of this host has no such members")
    func links() throws {
        let outside = try TemporaryDirectory("outside")
        var image = Layout()
        let descriptor = image.image()
        let index = #"{"schemaVersion":2,"manifests":[\#(descriptor)]}"#
        let secret = try outside.write(index, to: "index.json")
        for (target, isSymbolic) in [
            (secret.string, true), ("../../../../../..\(secret)", true), (secret.string, false),
            ("../../../../../..\(secret)", false),
        ] {
            var layout = image
            if isSymbolic {
                layout.tar.addSymbolicLink("index.json", to: target)
            } else {
                layout.tar.addHardLink("index.json", to: target)
            }
            let error = try failure(layout.tar.finish())
            #expect(error.code == .invalid && error.message.contains("index.json"), "\(target): \(error)")
        }
        // A digest that is a path is none.
        var path = Layout()
        let error = try failure(
            path.finish([
                #"{"mediaType":"\#(MediaType.ociManifest)","digest":"sha256:../../\#(secret)","size":1}"#
            ])
        )
        #expect(error.code == .invalid && error.message.contains("manifests[0].digest"), "\(error)")
        #expect(try Directory.names(in: outside.path).map(\.string) == ["index.json"])
    }
}
