import Host
import Logging
import OCI
import Snapshots
import Store
import SystemPackage
import TestSupport

/// A store with a folder of VMs beside it.
struct SnapshotsFixture {
    let folder: TemporaryDirectory
    let store: Store
    let snapshots: StoreSnapshotter

    init(reserve: UInt64 = 0, in place: FilePath? = nil) throws {
        folder = try TemporaryDirectory("snapshots", in: place)
        store = try Store(layout: StoreLayout(root: folder.appending("store")))
        snapshots = StoreSnapshotter(
            store: store,
            vms: folder.appending("vms"),
            reserve: reserve,
            logger: Logger(label: "test")
        )
    }

    /// A layer by a word; `empty` and `opaque` say what the words do.
    static func key(_ word: String) -> LayerKey { LayerKey(diffID: .sha256(of: Array(word.utf8))) }

    /// Commits an image of layers, bottom first.
    @discardableResult
    func image(_ words: [String]) async throws -> ImageRecord {
        let workspace = try await store.openWorkspace("test")
        for word in words {
            let content = Array("the layer \(word)".utf8)
            let file = try folder.write(content, to: "store/temp/\(workspace.id)/blob-\(word)")
            let record = BlobRecord(
                key: Self.key(word),
                sha256: .sha256(of: content),
                size: UInt64(content.count),
                tarSize: 1024,
                entries: word.contains("empty") ? 0 : 3,
                hasOpaqueRoot: word.contains("opaque"),
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
        let image = ImageRecord(
            digest: .sha256(of: Array("manifest \(name)".utf8)),
            manifest: "{}",
            configDigest: .sha256(of: Array("config \(name)".utf8)),
            config: "{}",
            indexDigests: [],
            platform: "linux/amd64",
            layers: words.map { .init(key: Self.key($0), digest: Self.key($0).diffID, size: 10) },
            created: nil
        )
        try await store.commitImage(
            image,
            references: ["localhost/\(words[0]):latest"],
            source: .hand,
            replacing: false
        )
        await workspace.close()
        return image
    }

    /// Binds a VM to an image and makes its disk.
    func vm(_ name: String, on image: ImageRecord, size: UInt64 = 32 << 20) async throws -> FilePath {
        let keys = image.layers.map(\.key)
        try await store.setVM(
            VMRecord(
                name: name,
                request: "\(name).json",
                requestDigest: .sha256(of: []),
                reference: "web",
                image: image.digest,
                keys: keys
            )
        )
        let path = disk(name)
        _ = try await snapshots.prepare(
            name,
            parent: ChainID.of(keys.map(\.diffID)),
            disk: WritableDisk(path: path, size: size)
        )
        return path
    }

    func disk(_ name: String) -> FilePath { folder.path.appending("vms/\(name)/cow.raw") }
}
