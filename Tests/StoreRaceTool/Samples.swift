import Host
import OCI
import Store
import SystemPackage

/// Layers and images that every process makes alike.
struct Samples {
    static func layer(_ number: Int) -> BlobRecord { layers[number] }

    private static let layers = (0..<8).map(record)

    private static func record(_ number: Int) -> BlobRecord {
        let content = content(number)
        let boot =
            number.isMultiple(of: 2)
            ? [BootListing.Entry(name: "vmlinuz-\(number)", kind: .file(size: 100))] : []
        return BlobRecord(
            key: LayerKey(diffID: .sha256(of: Array("layer \(number)".utf8))),
            sha256: .sha256(of: content),
            size: UInt64(content.count),
            tarSize: 1,
            entries: 1,
            hasOpaqueRoot: false,
            minimumGuestKernel: "5.4",
            writer: "test",
            options: "",
            boot: BootListing(folder: .merged, entries: boot)
        )
    }

    static func compressed(_ number: Int) -> Digest { .sha256(of: Array("compressed \(number)".utf8)) }

    static func image(_ number: Int, layers: [Int]) -> ImageRecord {
        ImageRecord(
            digest: .sha256(of: Array("image \(number)".utf8)),
            manifest: "{}",
            configDigest: .sha256(of: Array("config \(number)".utf8)),
            config: "{}",
            indexDigests: [],
            platform: "linux/amd64",
            layers: layers.map { ImageRecord.Layer(key: layer($0).key, digest: compressed($0), size: 7) },
            created: nil
        )
    }

    /// Commits a layer unless it is there; either way it is leased by the workspace afterwards.
    static func commit(_ number: Int, to store: Store, in workspace: Workspace) async throws {
        let record = layer(number)
        if try await store.blob(record.key, leasedBy: workspace) != nil { return }
        let file = workspace.path.appending("layer-\(number)")
        try write(content(number), to: file)
        var boot: FilePath?
        for entry in record.boot.entries {
            let folder = workspace.path.appending("boot-\(number)")
            try Directory.create(folder)
            try write([UInt8](repeating: 1, count: 100), to: folder.appending(entry.name))
            boot = folder
        }
        _ = try await store.commitBlob(
            record,
            file: file,
            bootDirectory: boot,
            compressed: compressed(number),
            in: workspace
        )
    }

    /// Commits an image's merged disk unless it is there, and returns its identity.
    static func commitMerged(
        _ image: ImageRecord,
        to store: Store,
        in workspace: Workspace
    ) async throws -> Digest {
        let content = content(image.layers.count)
        let record = MergedRecord(
            keys: image.layers.map(\.key),
            sha256: .sha256(of: content),
            size: UInt64(content.count),
            entries: 1,
            minimumGuestKernel: "5.4",
            writer: "test",
            options: ""
        )
        if try await store.useMergedDisk(record.id) != nil { return record.id }
        let file = workspace.path.appending("merged")
        try write(content, to: file)
        return try await store.commitMergedDisk(record, file: file, in: workspace).id
    }

    private static func content(_ number: Int) -> [UInt8] {
        Array(String(repeating: "layer \(number)\n", count: 100).utf8)
    }

    private static func write(_ bytes: [UInt8], to path: FilePath) throws {
        let file = try File(path, .writeOnly, options: [.create, .truncate])
        try bytes.withUnsafeBytes { try file.writeAll($0) }
    }
}
