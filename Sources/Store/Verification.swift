import GRDB
import Host
public import OCI
public import SystemPackage

/// A blob that is not what its record says.
public struct BlobProblem: Sendable, Hashable, Codable {
    /// What is wrong.
    public enum Kind: String, Sendable, Codable {
        /// A file is missing, has another size, or is no regular file.
        case files
        /// The content has another SHA-256.
        case digest
        /// The file cannot be read.
        case unreadable
        /// The content is what was written, and no sound EROFS image.
        case structure
        /// The content is what was written, and fsck.erofs finds fault with it.
        case fsck
    }

    /// The blob.
    public var key: LayerKey
    /// Its EROFS image.
    public var path: FilePath
    /// What is wrong.
    public var kind: Kind
    /// The same in words, naming the file.
    public var message: String
    /// Images that have it, sorted.
    public var images: [Digest]
    /// VMs bound to it, sorted.
    public var vms: [String]
}

/// A merged disk that is not what its record says.
public struct MergedProblem: Sendable, Hashable, Codable {
    /// The disk.
    public var id: Digest
    /// Its EROFS image.
    public var path: FilePath
    /// What is wrong.
    public var kind: BlobProblem.Kind
    /// The same in words, naming the file.
    public var message: String
    /// VMs bound to it, sorted.
    public var vms: [String]
}

/// A look at a blob's content beyond its digest.
public struct BlobExamination: Sendable {
    /// What is wrong where it finds fault.
    public var kind: BlobProblem.Kind
    /// Looks at the file: what is wrong with it in words, naming the file; nil for nothing.
    public var examine: @Sendable (FilePath) async throws -> String?

    /// Creates an examination.
    public init(
        kind: BlobProblem.Kind,
        examine: @escaping @Sendable (FilePath) async throws -> String?
    ) {
        self.kind = kind
        self.examine = examine
    }
}

extension Store {
    /// Reads every blob and compares it with its record: SHA-256 and sizes, boot files' sizes too.
    ///
    /// - Parameters:
    ///   - examinations: further looks at blobs that are what their records say.
    ///   - progress: hears of bytes read and bytes in all, from the reading thread.
    /// - Returns: what is damaged. ``discardDamagedBlob(_:)`` makes room for a good copy.
    /// - Throws: `CancellationError` when cancelled; ``StoreError`` when the index cannot be read.
    public func verifyBlobs(
        examinations: [BlobExamination] = [],
        progress: @escaping @Sendable (_ done: UInt64, _ total: UInt64) -> Void = { _, _ in }
    ) async throws -> [BlobProblem] {
        let records = try await index.read { db in try BlobRow.fetchAll(db) }
        return try await verify(records, size: \.size, progress) { record, progress in
            try await check(record, examinations, progress: progress)
        }
    }

    /// Removes the files of a blob that ``verifyBlobs(examinations:progress:)`` found damaged, and nothing of a sound one. Its row
    /// stays, so that images and VMs keep their layers; lookups no longer find it, and converting the layer again
    /// and committing it repairs it. A hypervisor that has the file open goes on with the old one.
    ///
    /// - Returns: whether it was damaged.
    public func discardDamagedBlob(
        _ key: LayerKey,
        examinations: [BlobExamination] = []
    ) async throws -> Bool {
        let path = layout.blob(key)
        let (record, file) = try await index.read { db in
            (try BlobRow.fetch(db, key), try FileStatus.of(path).map { FileIdentity($0) })
        }
        guard let record, try await check(record, examinations, progress: { _ in }) != nil else {
            return false
        }
        return try await index.write { db in
            // Another process may have repaired it meanwhile: a good copy has the same record.
            guard try BlobRow.fetch(db, key) == record,
                try FileStatus.of(path).map({ FileIdentity($0) }) == file
            else { return false }
            try Directory.unlink(path)
            return true
        }
    }

    private func check(
        _ record: BlobRecord,
        _ examinations: [BlobExamination],
        progress: @escaping @Sendable (UInt64) -> Void
    ) async throws -> BlobProblem? {
        let layout = layout
        let check = FileCheck(path: layout.blob(record.key), sha256: record.sha256) {
            () throws(FileError) in try layout.defect(of: record)
        }
        guard let finding = try await find(check, examinations, progress) else { return nil }
        return try await index.read { db in
            // Collected or repaired since the list was read: not this blob's problem.
            guard try BlobRow.fetch(db, record.key) == record else { return nil }
            let images = try Row.fetchAll(
                db,
                sql: "SELECT DISTINCT image FROM image_layers WHERE key = ? ORDER BY image",
                arguments: [record.key.description]
            )
            return BlobProblem(
                key: record.key,
                path: layout.blob(record.key),
                kind: finding.kind,
                message: finding.message,
                images: try images.map { try $0.digest("image") },
                vms: try String.fetchAll(
                    db,
                    sql: "SELECT DISTINCT vm FROM vm_layers WHERE key = ? ORDER BY vm",
                    arguments: [record.key.description]
                )
            )
        }
    }
}

extension Store {
    /// Reads every merged disk and compares it with its record, as
    /// ``verifyBlobs(examinations:progress:)`` does blobs.
    public func verifyMergedDisks(
        examinations: [BlobExamination] = [],
        progress: @escaping @Sendable (_ done: UInt64, _ total: UInt64) -> Void = { _, _ in }
    ) async throws -> [MergedProblem] {
        let records = try await index.read { db in try MergedRow.fetchAll(db) }
        return try await verify(records, size: \.size, progress) { record, progress in
            try await check(record, examinations, progress: progress)
        }
    }

    /// Removes a merged disk that ``verifyMergedDisks(examinations:progress:)`` found damaged, and nothing of a sound
    /// one: it is made anew when it is needed. A hypervisor that has the file open goes on with the old one.
    ///
    /// - Returns: whether it was damaged.
    public func discardDamagedMergedDisk(
        _ id: Digest,
        examinations: [BlobExamination] = []
    ) async throws -> Bool {
        let layout = layout
        let path = layout.mergedDisk(id)
        let (record, file) = try await index.read { db in
            (try MergedRow.fetch(db, id), try FileStatus.of(path).map { FileIdentity($0) })
        }
        guard let record, try await check(record, examinations, progress: { _ in }) != nil else {
            return false
        }
        return try await index.write { db in
            // Another process may have made it anew meanwhile: a good one has the same record.
            guard try MergedRow.fetch(db, id) == record,
                try FileStatus.of(path).map({ FileIdentity($0) }) == file
            else { return false }
            try Directory.unlink(path)
            try Directory.unlink(layout.mergedSidecar(id))
            try MergedRow.delete(db, id)
            return true
        }
    }

    private func check(
        _ record: MergedRecord,
        _ examinations: [BlobExamination],
        progress: @escaping @Sendable (UInt64) -> Void
    ) async throws -> MergedProblem? {
        let layout = layout
        let path = layout.mergedDisk(record.id)
        let check = FileCheck(path: path, sha256: record.sha256) {
            () throws(FileError) in try layout.defect(of: record)
        }
        guard let finding = try await find(check, examinations, progress) else { return nil }
        return try await index.read { db in
            // Collected or made anew since the list was read.
            guard try MergedRow.fetch(db, record.id) == record else { return nil }
            return MergedProblem(
                id: record.id,
                path: path,
                kind: finding.kind,
                message: finding.message,
                vms: try MergedRow.vms(db, record.id)
            )
        }
    }

    /// Checks one record after the other, and says how far it is in all of them.
    private func verify<Record, Problem>(
        _ records: [Record],
        size: KeyPath<Record, UInt64>,
        _ progress: @escaping @Sendable (_ done: UInt64, _ total: UInt64) -> Void,
        check: (Record, _ progress: @escaping @Sendable (UInt64) -> Void) async throws -> Problem?
    ) async throws -> [Problem] {
        let total = records.reduce(0) { $0 + $1[keyPath: size] }
        var done: UInt64 = 0
        var problems: [Problem] = []
        for record in records {
            let before = done
            if let problem = try await check(record, { progress(before + $0, total) }) {
                problems.append(problem)
            }
            done += record[keyPath: size]
            progress(done, total)
        }
        return problems
    }

    /// What is wrong with a file: by its record, then by further looks.
    private func find(
        _ check: FileCheck,
        _ examinations: [BlobExamination],
        _ progress: @escaping @Sendable (UInt64) -> Void
    ) async throws -> (kind: BlobProblem.Kind, message: String)? {
        var finding = try await onThread(named: "verify-blob") { cancellation in
            try check.run(cancellation, progress: progress)
        }
        for examination in examinations where finding == nil {
            do {
                finding = try await examination.examine(check.path).map { (examination.kind, $0) }
            } catch let error as FileError {
                finding = (.unreadable, error.description)
            }
        }
        return finding
    }
}

/// The look at one file of the store, and at those that belong to it.
private struct FileCheck: Sendable {
    let path: FilePath
    let sha256: Digest
    /// What is wrong as far as sizes tell.
    let defect: @Sendable () throws(FileError) -> String?

    func run(
        _ cancellation: Cancellation,
        progress: (UInt64) -> Void
    ) throws -> (kind: BlobProblem.Kind, message: String)? {
        do {
            if let defect = try defect() { return (.files, defect) }
            let digest = try hash(path, cancellation, progress)
            guard digest == sha256 else {
                return (.digest, "\(path) has the SHA-256 \(digest.hex), its record says \(sha256.hex)")
            }
            return nil
        } catch let error as FileError {
            return (.unreadable, error.description)
        }
    }

    private func hash(
        _ path: FilePath,
        _ cancellation: Cancellation,
        _ progress: (UInt64) -> Void
    ) throws -> Digest {
        let file = try File.regular(path)
        let hash = SHA256()
        var done: UInt64 = 0
        var buffer = [UInt8](repeating: 0, count: 1 << 20)
        while true {
            try cancellation.check()
            let count = try buffer.withUnsafeMutableBytes { bytes in
                let count = try file.read(into: bytes)
                hash.update(UnsafeRawBufferPointer(rebasing: bytes[..<count]))
                return count
            }
            if count == 0 { return hash.finalize() }
            done += UInt64(count)
            progress(done)
        }
    }
}
