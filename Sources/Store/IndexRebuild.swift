import GRDB
import Host
import OCI
import SystemPackage

/// What a rebuilt index holds.
public struct RebuildReport: Sendable, Hashable, Codable {
    /// Blobs found with their sidecars.
    public var blobs = 0
    /// Images whose layers are all there.
    public var images = 0
    /// VMs bound again.
    public var vms = 0
    /// What could not be taken over, and why, naming the file.
    public var problems: [String] = []
}

/// Fills an index that has just been made from the documents beside the content.
///
/// Part of the transaction that makes the tables: an index is never seen empty while there is content, which a
/// collection would take for orphans. What comes back: blobs, images, claims in their order, pins by hand, bindings.
/// The other images start their grace now; inbox and queue pin theirs again. Content is not hashed here.
struct IndexRebuild {
    let layout: StoreLayout
    let db: Database
    let now: StoreTime
    private(set) var report = RebuildReport()

    init(layout: StoreLayout, db: Database, now: StoreTime) {
        self.layout = layout
        self.db = db
        self.now = now
    }

    mutating func run() throws {
        var documents: [ImageDocument] = []
        for file in try OrphanScan.content(in: layout) {
            switch file.kind {
            case .sidecar:
                guard let key = file.key else { continue }
                if let sidecar = try read(BlobSidecar.self, file.path) { try add(sidecar, key, file.path) }
            case .mergedSidecar:
                guard let id = file.digest else { continue }
                if let sidecar = try read(MergedSidecar.self, file.path) { try add(sidecar, id, file.path) }
            case .image:
                guard let document = try read(ImageDocument.self, file.path) else { continue }
                if document.record.digest == file.digest {
                    documents.append(document)
                } else {
                    report.problems.append("\(file.path) describes another image, \(document.record.digest)")
                }
            default: continue
            }
        }
        try add(documents)
    }

    private mutating func read<Value: Decodable>(_ type: Value.Type, _ path: FilePath) throws -> Value? {
        do {
            guard let bytes = try AtomicFile.read(path) else { return nil }
            return try JSON.decode(type, from: bytes)
        } catch let error as DecodingError {
            report.problems.append("\(path) cannot be understood: \(error)")
            return nil
        }
    }

    private mutating func add(_ sidecar: BlobSidecar, _ key: LayerKey, _ path: FilePath) throws {
        let record = sidecar.record
        guard sidecar.schema <= BlobSidecar.schema else {
            return report.problems.append(
                "\(path) has the schema \(sidecar.schema), this slipway knows up to \(BlobSidecar.schema): use the slipway "
                    + "that wrote it, or a newer one"
            )
        }
        guard record.key == key else {
            return report.problems.append("\(path) describes another blob, \(record.key)")
        }
        if let defect = try layout.defect(of: record) { return report.problems.append(defect) }
        try BlobRow.put(db, record, bootSize: record.bootSize, at: now)
        for digest in sidecar.compressed {
            _ = try BlobRow.rememberCompressed(db, digest, diffID: key.diffID)
        }
        report.blobs += 1
    }

    /// A merged disk that cannot be taken over is made anew when it is needed.
    private func add(_ sidecar: MergedSidecar, _ id: Digest, _ path: FilePath) throws {
        guard sidecar.schema <= MergedSidecar.schema, sidecar.record.id == id,
            try layout.defect(of: sidecar.record) == nil
        else { return }
        try MergedRow.put(db, sidecar.record, at: now)
    }

    private mutating func add(_ documents: [ImageDocument]) throws {
        var complete: [ImageDocument] = []
        for document in documents {
            if let missing = try document.record.layers.first(where: { try !BlobRow.exists(db, $0.key) }) {
                report.problems.append("the image \(document.record.digest) lacks the layer \(missing.key)")
                continue
            }
            try document.record.put(db)
            if document.isPinnedByHand { try Pins.add(db, document.record.digest, by: .hand) }
            complete.append(document)
        }
        for claim in complete.flatMap(\.claims).sorted(by: { $0.sequence < $1.sequence }) {
            try claim.make(db)
        }
        for vm in complete.flatMap(\.vms) {
            do { try vm.put(db, layout, isRebuilding: true) } catch let error as StoreError {
                report.problems.append(error.message)
                continue
            }
            report.vms += 1
        }
        _ = try Pins.stampUnpinned(db, complete.map(\.record.digest), at: now)
        report.images = complete.count
    }
}

extension Store {
    /// Moves a damaged index aside (as `index.db.damaged…`) and makes a new one from the documents beside the
    /// content. No other process may have the store open: what that one commits would go into the old index.
    ///
    /// An index that is missing altogether is rebuilt in the same way by whoever opens the store.
    ///
    /// - Throws: ``StoreError`` `busy` while another has the store open.
    public static func rebuildIndex(layout: StoreLayout) async throws -> RebuildReport {
        try await onThread(named: "rebuild-index") { _ in
            try StoreError.translating(index: layout.database) {
                try layout.createFolders()
                try Index.setAside(layout.database)
            }
            return try Store(layout: layout).index.rebuilt ?? RebuildReport()
        }
    }
}

extension Index {
    fileprivate static func setAside(_ path: FilePath) throws {
        let lock = try lockForOpening(path)
        let presence = try lockPresence(path, exclusive: true)
        defer { withExtendedLifetime((lock, presence)) {} }
        let unique = String(UInt64.random(in: 0 ... .max), radix: 36)
        for suffix in ["", "-wal", "-shm"] {
            let file = FilePath(path.string + suffix)
            guard try FileStatus.of(file) != nil else { continue }
            try Directory.rename(file, to: FilePath("\(path).damaged-\(unique)\(suffix)"))
        }
    }
}
