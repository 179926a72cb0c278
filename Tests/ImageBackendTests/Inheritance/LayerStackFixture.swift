import EROFS
import Glibc
import Host
import OCI
import Store
import SystemPackage
import TestSupport

@testable import ImageBackend

/// The same layers twice: imported, mounted and laid over each other by the kernel, and unpacked by umoci.
struct LayerStackFixture {
    let test: TestBackend
    let image: Image

    /// Imports layers, bottom first.
    init(_ layers: [[UInt8]], in test: TestBackend? = nil, name: String = "stack") async throws {
        let test = try test ?? TestBackend()
        self.test = test
        let files = try layers.enumerated().map {
            try test.folder.write($0.element, to: "\(name)-\($0.offset).tar")
        }
        image = try await test.backend.import(
            ImportRequest(name: name, files: files, source: .hand),
            tracker: SilentTracker()
        )
    }

    /// An image that was imported already.
    init(_ image: Image, in test: TestBackend) {
        self.test = test
        self.image = image
    }

    /// What a guest sees that has the layers and nothing else, and what one sees that has the merged disk; every disk is
    /// checked first, by fsck.erofs and by us.
    func guest(_ body: (FilePath) async throws -> Void) async throws {
        try await layers(body)
        try await merged(body)
    }

    private func judge(_ image: FilePath) async throws {
        let file = try File.regular(image)
        _ = try ImageCheck().check(file)
        // Debian 12's fsck.erofs is older than files that are packed together.
        guard try ImageReader(file: file).superblock.minimumKernel < .fragments else { return }
        try await check("fsck.erofs", [image.string])
    }

    /// What a guest sees that has the merged disk.
    func merged(_ body: (FilePath) async throws -> Void) async throws {
        let disk = try await test.backend.mergedDisk(of: image.digest, keys: image.layers.map(\.key))
        try await judge(disk.storage.path)
        let mount = try await KernelMount.erofs(disk.storage.path)
        try await body(mount.path)
        withExtendedLifetime(mount) {}
    }

    private func layers(_ body: (FilePath) async throws -> Void) async throws {
        var mounts: [KernelMount] = []
        let configuration = try await test.backend.config([
            VMImage(name: "vm", selection: .query(image.digest.description))
        ])
        for disk in configuration[0].storage {
            try await judge(disk.path)
            mounts.append(try await KernelMount.erofs(disk.path))
        }
        if mounts.count == 1 { return try await body(mounts[0].path) }
        let overlay = try KernelMount.overlay(only: mounts.reversed().map(\.path))
        try await body(overlay.path)
        withExtendedLifetime((mounts, overlay)) {}
    }

    /// The lines in which the guest's view differs from what umoci unpacks.
    func differences(ignoring links: LinkComparison = .none) async throws -> [String] {
        let unpacked = try await Unpacked(image, in: test)
        var lines: [String] = []
        try await guest { root in lines += try unpacked.differences(from: root, ignoring: links) }
        return lines
    }
}

/// Which hard links may differ from those that umoci makes.
enum LinkComparison {
    case none
    /// All: a link to something below is one inode with it for umoci, and a copy for us.
    case links
}

/// An image of the store, unpacked by `umoci unpack` from the layers it came from.
struct Unpacked {
    private let folder: TemporaryDirectory
    /// The image's OCI layout.
    let layout: FilePath
    /// The unpacked tree.
    let root: FilePath
    private let start: Int64

    /// Unpacks the image that `test` imported from tar files in its folder.
    init(_ image: Image, in test: TestBackend) async throws {
        var layers: [(digest: Digest, bytes: [UInt8])] = []
        let files = try Directory.names(in: test.folder.path).filter { $0.extension == "tar" }
        for layer in image.layers {
            for file in files {
                guard let bytes = try AtomicFile.read(test.folder.appending(file.string), limit: 1 << 30),
                    Digest.sha256(of: bytes) == layer.digest
                else { continue }
                layers.append((layer.digest, bytes))
                break
            }
        }
        try await self.init(layers: layers.map(\.bytes))
    }

    /// Unpacks plain tars, bottom first.
    init(layers: [[UInt8]]) async throws {
        let folder = try TemporaryDirectory("umoci")
        let made = Manifest.synthesized(
            layers: layers.map { bytes in
                let digest = Digest.sha256(of: bytes)
                return (digest: digest, size: UInt64(bytes.count), diffID: digest, mediaType: .ociLayer)
            },
            platform: .host
        )
        for bytes in layers + [made.configBytes, made.manifestBytes] {
            try folder.write(bytes, to: "image/blobs/sha256/\(Digest.sha256(of: bytes).hex)")
        }
        try folder.write(#"{"imageLayoutVersion":"1.0.0"}"#, to: "image/oci-layout")
        let index = """
            {"schemaVersion":2,"manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json",
            "digest":"\(made.manifestDigest)","size":\(made.manifestBytes.count),
            "annotations":{"org.opencontainers.image.ref.name":"latest"}}]}
            """
        try folder.write(index, to: "image/index.json")
        try await self.init(layout: folder.appending("image"), in: folder)
    }

    /// Unpacks the image `latest` of an OCI layout.
    init(layout: FilePath, in folder: TemporaryDirectory? = nil) async throws {
        self.folder = try folder ?? TemporaryDirectory("umoci")
        self.layout = layout
        start = Int64(time(nil)) * 1_000_000_000
        let bundle = self.folder.appending("bundle")
        try await check("umoci", ["unpack", "--image", "\(layout):latest", bundle.string])
        root = bundle.appending("rootfs")
    }

    /// The lines in which a tree differs. The times of folders that no layer describes are left out: they are when
    /// umoci made them.
    func differences(from tree: FilePath, ignoring links: LinkComparison = .none) throws -> [String] {
        let (ours, oursTimeless) = (try TreeListing(tree), try TreeListing(tree, without: .folderTimes))
        let (theirs, theirsTimeless) = (try TreeListing(root), try TreeListing(root, without: .folderTimes))
        var lines: [String] = []
        for path in Set(ours.entries.keys).union(theirs.entries.keys).sorted() {
            let status = try FileStatus.of(root.appending(path))
            let isTimeless = status?.kind == .directory && (status?.modified ?? 0) >= start
            var our = (isTimeless ? oursTimeless : ours).entries[path]
            var their = (isTimeless ? theirsTimeless : theirs).entries[path]
            if links == .links { (our, their) = (our.map(Self.withoutLinks), their.map(Self.withoutLinks)) }
            guard our != their else { continue }
            lines += [our.map { "guest \(path) \($0)" }, their.map { "umoci \(path) \($0)" }].compactMap {
                $0
            }
        }
        return lines
    }

    private static func withoutLinks(_ line: String) -> String {
        var fields = line.split(separator: " ", omittingEmptySubsequences: false)
        if let links = fields.firstIndex(of: "links") { fields.removeSubrange(links..<links + 4) }
        return fields.joined(separator: " ")
    }
}

/// A tar as bytes.
func archive(_ build: (inout TarBuilder) -> Void) -> [UInt8] {
    var tar = TarBuilder()
    build(&tar)
    return tar.finish()
}
