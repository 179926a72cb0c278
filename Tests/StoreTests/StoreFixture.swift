import Host
import OCI
import Synchronization
import SystemPackage
import TestSupport
import Testing

@testable import Store

/// A store in a folder of its own, with a clock that the test moves.
final class StoreFixture: Sendable {
    let folder: TemporaryDirectory
    let machine: MachineClock
    let store: Store

    /// - Parameter root: where the store lies; a folder that goes with the fixture by default.
    init(root: FilePath? = nil) throws {
        folder = try TemporaryDirectory("store")
        machine = MachineClock()
        let layout = StoreLayout(root: root ?? folder.appending("store"))
        store = try Store(layout: layout) { [machine] in machine.now }
    }

    var layout: StoreLayout { store.layout }

    /// A second store on the same folder, as another process would open it.
    func reopened() throws -> Store { try Store(layout: layout) { [machine] in machine.now } }

    /// Commits a layer made from a word.
    @discardableResult
    func commit(
        _ word: String,
        boot: [String] = [],
        compressed: Digest? = nil,
        in workspace: Workspace
    ) async throws -> BlobRecord {
        let record = Self.record(word, boot: boot)
        let (file, bootFolder) = try write(record, word, in: workspace)
        return try await store.commitBlob(
            record,
            file: file,
            bootDirectory: bootFolder,
            compressed: compressed,
            in: workspace
        )
    }

    func write(_ record: BlobRecord, _ word: String, in workspace: Workspace) throws -> (FilePath, FilePath?)
    {
        let unique = String(UInt32.random(in: 0 ... .max))
        let file = workspace.path.appending("blob-\(unique)")
        try Self.write(Self.content(word), to: file)
        guard !record.bootFiles.isEmpty else { return (file, nil) }
        let folder = workspace.path.appending("boot-\(unique)")
        try Directory.create(folder)
        for (name, size) in record.bootFiles {
            try Self.write([UInt8](repeating: 0x42, count: Int(size)), to: folder.appending(name))
        }
        return (file, folder)
    }

    /// Commits an image of layers made from words.
    @discardableResult
    func image(
        _ name: String,
        _ words: [String],
        references: [String] = [],
        source: Source = .hand,
        replacing: Bool = false
    ) async throws -> ImageRecord {
        let workspace = try await store.openWorkspace("test")
        for word in words { try await commit(word, in: workspace) }
        let image = Self.imageRecord(name, words)
        try await store.commitImage(image, references: references, source: source, replacing: replacing)
        await workspace.close()
        return image
    }

    static func content(_ word: String) -> [UInt8] { Array(String(repeating: word + "\n", count: 500).utf8) }

    static func key(_ word: String) -> LayerKey { LayerKey(diffID: .sha256(of: Array("diff \(word)".utf8))) }

    static func record(_ word: String, boot: [String] = []) -> BlobRecord {
        let content = content(word)
        return BlobRecord(
            key: key(word),
            sha256: .sha256(of: content),
            size: UInt64(content.count),
            tarSize: 10,
            entries: 3,
            hasOpaqueRoot: false,
            minimumGuestKernel: "5.4",
            writer: "slipway test",
            options: "lz4",
            boot: BootListing(folder: .merged, entries: boot.map { .init(name: $0, kind: .file(size: 64)) })
        )
    }

    static func imageRecord(_ name: String, _ words: [String], index: [Digest] = []) -> ImageRecord {
        ImageRecord(
            digest: .sha256(of: Array("image \(name)".utf8)),
            manifest: "{\"name\":\"\(name)\"}",
            configDigest: .sha256(of: Array("config \(name)".utf8)),
            config: "{}",
            indexDigests: index,
            platform: "linux/amd64",
            layers: words.map { .init(key: key($0), digest: .sha256(of: Array("gz \($0)".utf8)), size: 9) },
            created: "2026-01-01T00:00:00Z"
        )
    }

    static func vm(_ name: String, _ image: ImageRecord) -> VMRecord {
        VMRecord(
            name: name,
            request: "\(name).json",
            requestDigest: .sha256(of: Array(name.utf8)),
            reference: "web",
            image: image.digest,
            keys: image.layers.map(\.key)
        )
    }

    static func write(_ bytes: [UInt8], to path: FilePath) throws {
        let file = try File(path, .writeOnly, options: [.create, .truncate])
        try bytes.withUnsafeBytes { try file.writeAll($0) }
    }
}

/// A machine's clock in the test's hand.
final class MachineClock: Sendable {
    private let reading = Mutex(BootClock(bootID: "boot-1", nanoseconds: 5_000_000_000))

    var now: BootClock { reading.withLock { $0 } }

    func advance(_ duration: Duration) {
        reading.withLock {
            $0 = BootClock(
                bootID: $0.bootID,
                nanoseconds: (StoreTime(nanoseconds: $0.nanoseconds) + duration).nanoseconds
            )
        }
    }

    func set(_ value: BootClock) { reading.withLock { $0 = value } }
}

/// Whether a path exists.
func exists(_ path: FilePath) throws -> Bool { try FileStatus.of(path) != nil }

/// The code of the store error that `body` throws; nil when it throws none.
func storeError(_ body: () async throws -> Void) async throws -> StoreError? {
    do { try await body() } catch let error as StoreError { return error }
    return nil
}
