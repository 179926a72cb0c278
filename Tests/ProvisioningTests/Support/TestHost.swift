import Documents
import Glibc
import Host
import ImageBackend
import Logging
import OCI
import Snapshots
import Store
import Synchronization
import SystemPackage
import TestSupport
import Testing

@testable import Provisioning

/// A host with a store, requests and VMs, whose time the test makes. Files count as complete at once.
final class TestHost: Sendable {
    let folder: TemporaryDirectory
    let store: Store
    let images: StubImages
    let settings: VMSettings

    init(_ adjust: (inout VMSettings) -> Void = { _ in }) throws {
        folder = try TemporaryDirectory("vms")
        store = try Store(layout: StoreLayout(root: folder.appending("store")))
        images = StubImages(layout: store.layout)
        var settings = VMSettings(requests: folder.appending("requests"), vms: folder.appending("vms"))
        settings.settle = .zero
        settings.removeGrace = .seconds(60)
        settings.defaults.diskSize = 16 << 20
        adjust(&settings)
        self.settings = settings
        try Directory.create(settings.requests)
        try Directory.create(settings.vms)
        images.commitMerged.withLock { $0 = { [store] in try await Self.commitMerged($0, to: store) } }
    }

    private static func commitMerged(_ keys: [LayerKey], to store: Store) async throws {
        let workspace = try await store.openWorkspace("merge")
        let content = Array("all layers".utf8)
        let file = workspace.path.appending("merged")
        try AtomicFile.write(content, to: file)
        let record = MergedRecord(
            keys: keys,
            sha256: .sha256(of: content),
            size: UInt64(content.count),
            entries: 3,
            minimumGuestKernel: "5.4",
            writer: "test",
            options: "none"
        )
        for key in Set(keys) { _ = try await store.blob(key, leasedBy: workspace) }
        _ = try await store.commitMergedDisk(record, file: file, in: workspace)
        await workspace.close()
    }

    /// The VMs as a process that just started has them.
    func vms(reserve: UInt64 = 0) -> VMs {
        let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        return VMs(
            settings: settings,
            store: store,
            images: images,
            snapshots: StoreSnapshotter(store: store, vms: settings.vms, reserve: reserve, logger: logger),
            logger: logger,
            wallClock: WallClock { 1_767_225_600 }
        )
    }

    /// Commits an image of layers, bottom first, that a reference means from now on.
    @discardableResult
    func image(
        _ reference: String,
        layers words: [String] = ["base", "app"],
        hasKernel: Bool = true
    ) async throws -> ImageRecord {
        let workspace = try await store.openWorkspace("test")
        for word in words {
            let content = Array("the layer \(word)".utf8)
            let file = workspace.path.appending("blob-\(word)")
            try AtomicFile.write(content, to: file)
            let record = BlobRecord(
                key: Self.key(word),
                sha256: .sha256(of: content),
                size: UInt64(content.count),
                tarSize: 1024,
                entries: 3,
                hasOpaqueRoot: false,
                minimumGuestKernel: "5.4",
                writer: "test",
                options: "none",
                boot: BootListing()
            )
            _ = try await store.commitBlob(
                record,
                file: file,
                bootDirectory: nil,
                compressed: nil,
                in: workspace
            )
        }
        let name = words.joined(separator: " ")
        let record = ImageRecord(
            digest: .sha256(of: Array("manifest \(name)".utf8)),
            manifest: "{}",
            configDigest: .sha256(of: Array("config \(name)".utf8)),
            config: "{}",
            indexDigests: [],
            platform: "linux/amd64",
            layers: words.map { .init(key: Self.key($0), digest: Self.key($0).diffID, size: 10) },
            created: nil
        )
        try await store.commitImage(record, references: [reference], source: .hand, replacing: false)
        await workspace.close()
        images.add(record, hasKernel: hasKernel)
        images.point(reference, at: record)
        return record
    }

    static func key(_ word: String) -> LayerKey { LayerKey(diffID: .sha256(of: Array(word.utf8))) }

    /// Puts a request into its folder, complete.
    func request(_ name: String, _ text: String) throws {
        let path = settings.requests.appending(name)
        try AtomicFile.write(Array(text.utf8), to: path)
        // A program that another test starts holds this test's files open between its fork and its exec.
        let file = try File(path, .readOnly)
        while try file.writers() == .some { usleep(1000) }
    }

    func removeRequest(_ name: String) throws { try Directory.unlink(settings.requests.appending(name)) }

    /// One pass, some seconds after the beginning.
    @discardableResult
    func pass(_ vms: VMs, at seconds: Int64 = 0) async throws -> [VMOutcome] {
        let world = try await vms.observe(now: Self.time(seconds))
        let outcomes = await vms.apply(VMs.plan(world))
        try checkConfigs()
        return outcomes
    }

    /// Every config that lies there is one that boots.
    private func checkConfigs() throws {
        for name in try Directory.names(in: settings.vms).map(\.string) where VMName.isValid(name) {
            guard let bytes = try AtomicFile.read(settings.folder(of: name).config) else { continue }
            #expect(HypervisorCheck.problems(bytes) == [], "\(name)")
        }
    }

    static func time(_ seconds: Int64) -> StoreTime { StoreTime(nanoseconds: seconds * 1_000_000_000) }

    func path(_ below: String) -> FilePath { settings.vms.appending(below) }

    func status(_ name: String) throws -> VMStatus? { try settings.folder(of: name).readStatus(name: name) }

    func config(_ name: String) throws -> JSONValue? {
        guard let bytes = try AtomicFile.read(settings.folder(of: name).config) else { return nil }
        return try Document.parse(bytes, file: "config.json", format: .json).jsonValue
    }

    func bindings() async throws -> [String: VMRecord] {
        Dictionary(try await store.vms().map { ($0.name, $0) }) { first, _ in first }
    }

    func retiredFolders() throws -> [String] {
        let path = path(".retired")
        return try FileStatus.of(path) == nil ? [] : Directory.names(in: path).map(\.string).sorted()
    }

    /// A lock on one of a VM's disks as a hypervisor holds it, until it is unlocked.
    func hypervisor(on name: String, disk: String = "cow.raw") throws -> File {
        let file = try File(settings.folder(of: name).path.appending(disk), .readWrite)
        // Nor does a lock go, of which such a program has a copy, before its exec.
        for _ in 0..<60_000 {
            if try file.tryLock() { return file }
            usleep(1000)
        }
        throw VMError.inUse("the disk is locked already")
    }
}
