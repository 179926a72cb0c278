import EROFS
import GarbageCollection
import Host
import Logging
import OCI
import Registry
import Store
import SystemPackage
import TestSupport
import Testing

@testable import ImageBackend

/// A backend over a store of its own.
struct TestBackend {
    let folder: TemporaryDirectory
    let store: Store
    let backend: OCIBackend

    init(
        unpinnedTTL: Duration = .zero,
        space: SpaceLimits = .none,
        externalRoots: [FilePath] = [],
        at root: FilePath? = nil,
        compression: EROFS.Compression = .lz4(clusterSize: 65536),
        guestKernel: GuestKernel = GuestKernel(6, 1),
        registry: ClientConfiguration = ClientConfiguration(environment: [:]),
        limits: LayerLimits = LayerLimits(),
        engine: OCIBackend.Engine = .native,
        check: OCIBackend.BlobCheck = .none,
        search: SearchPath = .process
    ) throws {
        folder = try TemporaryDirectory("backend")
        let config = OCIBackend.Config(
            store: StoreLayout(root: root ?? folder.appending("store")),
            compression: compression,
            guestKernel: guestKernel,
            registry: registry,
            unpinnedTTL: unpinnedTTL,
            space: space,
            externalRoots: externalRoots,
            limits: limits,
            engine: engine,
            check: check,
            search: search
        )
        try config.ensureDirs()
        store = try Store(layout: config.store)
        backend = OCIBackend(config: config, store: store, logger: Logger(label: "test"))
    }

    @discardableResult
    func importing(
        _ name: String,
        _ layers: [UInt8]...,
        source: Source = .hand,
        promised: [Digest?] = [],
        tracker: any Tracker = SilentTracker()
    ) async throws -> Image {
        let files = try layers.enumerated().map {
            try folder.write($0.element, to: "\(name)-\($0.offset).tar")
        }
        return try await backend.import(
            ImportRequest(name: name, files: files, promisedDigests: promised, source: source),
            tracker: tracker
        )
    }

    func collect(dryRun: Bool = false) async throws -> Orchestrator.Report {
        let orchestrator = Orchestrator()
        await backend.registerGC(orchestrator)
        return try await orchestrator.run(dryRun: dryRun)
    }

    /// The store's files below blobs, boot and images.
    func files() async throws -> [String] {
        try await check("find", [backend.configuration.store.root.string, "-type", "f", "-printf", "%P\n"])
            .split(separator: "\n").map(String.init)
            .filter { name in !["index.", "temp/"].contains { name.hasPrefix($0) } }.sorted()
    }
}

/// A tar with files of the given names and contents.
func tar(_ files: KeyValuePairs<String, String>) -> [UInt8] {
    var tar = TarBuilder()
    for (name, content) in files { tar.addFile(name, content) }
    return tar.finish()
}

@Suite("Importing tars as an image")
struct ImportTests {
    let base = tar(["etc/passwd": "root", "boot/vmlinuz-6.1": "kernel", "boot/initrd.img-6.1": "initramfs"])
    let site = tar(["etc/motd": "hello", "etc/.wh.passwd": ""])

    @Test("makes one layer of each, in order, and says everything about it")
    func layers() async throws {
        let test = try TestBackend()
        let image = try await test.importing("web", base, site)
        #expect(image.references == ["localhost/web:latest"])
        #expect(image.layers.map(\.diffID) == [Digest.sha256(of: base), Digest.sha256(of: site)])
        #expect(image.pins == [.hand])
        #expect(image.platform == Platform.host.description)
        for layer in image.layers {
            let status = try #require(try FileStatus.of(FilePath(layer.path)))
            #expect(status.size == layer.bytes && status.permissions.rawValue == 0o444)
            try await check("fsck.erofs", [layer.path])
        }
        let kernel = try #require(image.kernel)
        #expect(try AtomicFile.read(FilePath(kernel)) == Array("kernel".utf8))
        #expect(image.initrd?.hasSuffix("/initrd.img-6.1") == true)
        #expect(image.imported?.bytesRead == UInt64(base.count + site.count))
    }

    @Test("gives the same image for the same tars, on any host")
    func deterministic() async throws {
        let (here, there) = (try TestBackend(), try TestBackend())
        let first = try await here.importing("a", base, site)
        let second = try await there.importing("b", base, site)
        #expect(first.digest == second.digest)
        #expect(first.layers.map(\.key) == second.layers.map(\.key))
    }

    @Test("stores a layer once, whatever names and images it comes under")
    func shared() async throws {
        let test = try TestBackend()
        try await test.importing("a", base)
        let again = try await test.importing("b", base)
        #expect(again.references == ["localhost/a:latest", "localhost/b:latest"])
        #expect(again.imported?.bytesAdded == 0)
        let more = try await test.importing("c", base, site)
        #expect(more.digest != again.digest)
        #expect(try await test.files().filter { $0.hasSuffix(".erofs") }.count == 2)
    }

    @Test("moves a reference to the newest import of the same source")
    func moved() async throws {
        let test = try TestBackend()
        let old = try await test.importing("web", base, source: .inbox("web.tar"))
        let new = try await test.importing("web", site, source: .inbox("web.tar"))
        #expect(try await test.backend.inspect("web")?.digest == new.digest)
        #expect(try await test.backend.inspect(old.digest.description)?.pins == [])
    }

    @Test("leaves nothing of a failed import, and says which entry was wrong")
    func failure() async throws {
        let test = try TestBackend()
        var bad = TarBuilder()
        bad.addFile("../x", "x")
        let error = await #expect(throws: ImageError.self) {
            try await test.importing("bad", tar(["fine": "fine"]), bad.finish())
        }
        #expect(error?.code == .invalidArchive && error?.message.contains("'../x'") == true)
        #expect(try await test.backend.list() == [])
        #expect(try Directory.names(in: test.backend.configuration.store.temp).isEmpty)
        _ = try await test.collect()
        let left = try await test.files()
        #expect(left == [])
    }

    @Test("refuses end blocks alone, which may be a layer but are no image")
    func empty() async throws {
        let test = try TestBackend()
        let error = await #expect(throws: ImageError.self) {
            try await test.importing("no", TarBuilder().finish())
        }
        #expect(error?.code == .invalidArchive)
        let image = try await test.importing("yes", base, TarBuilder().finish())
        #expect(image.layers.count == 2)
    }

    @Test("holds a file against the digest promised for it")
    func promised() async throws {
        let test = try TestBackend()
        let error = await #expect(throws: ImageError.self) {
            try await test.importing("web", base, promised: [Digest.sha256(of: site)])
        }
        #expect(error?.code == .digestMismatch)
        #expect(try await test.backend.list() == [])
        try await test.importing("web", base, promised: [Digest.sha256(of: base)])
    }

    @Test("fails with a full disk as something to try again, keeps the input and leaves no temporary file")
    func fullDisk() async throws {
        let disk = try KernelMount.tmpfs(size: 4 << 20)
        let test = try TestBackend(at: disk.path.appending("store"))
        var big = TarBuilder()
        big.add("noise", content: LayerConverterTests.noise(8 << 20))
        let error = await #expect(throws: ImageError.self) { try await test.importing("big", big.finish()) }
        #expect(error?.code == .noSpace && error?.isTransient == true)
        #expect(try FileStatus.of(test.folder.appending("big-0.tar"))?.size == UInt64(big.finish().count))
        #expect(try Directory.names(in: test.backend.configuration.store.temp).isEmpty)
        try await test.importing("small", base)
    }

    @Test("reports progress up to done")
    func progress() async throws {
        let recorder = Recorder()
        let test = try TestBackend()
        try await test.importing("web", base, site, tracker: recorder)
        let phases = recorder.events.map(\.phase)
        #expect(phases.contains(.layer) && phases.contains(.commit) && phases.last == .done)
        let read = recorder.events.filter { $0.layer == 0 }.map(\.bytes).max()
        #expect(read == UInt64(base.count))
    }

    @Test("tells tar files from others by their bytes")
    func isTarFile() async throws {
        let folder = try TemporaryDirectory("probe")
        let plain = try folder.write(base, to: "no-suffix")
        try await check("gzip", ["-k", plain.string])
        #expect(try OCIBackend.isTarFile(plain))
        #expect(try OCIBackend.isTarFile(folder.appending("no-suffix.gz")))
        #expect(try !OCIBackend.isTarFile(folder.write("<html></html>", to: "page.tar")))
        #expect(try !OCIBackend.isTarFile(folder.write("", to: "empty.tar")))
    }
}
