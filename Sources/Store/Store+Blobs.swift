import GRDB
import Host
public import OCI
public import SystemPackage

extension Store {
    /// Looks a blob up and, in the same transaction, leases it for the workspace.
    ///
    /// - Returns: nil also for a blob whose files are missing or of the wrong size: converting the layer again and
    ///   committing it repairs it.
    public func blob(_ key: LayerKey, leasedBy workspace: Workspace?) async throws -> BlobRecord? {
        let layout = layout
        guard let workspace else {
            let (found, isIntact) = try await index.read { db in
                let record = try BlobRow.fetch(db, key)
                return (record, try record.map { try layout.defect(of: $0) == nil } ?? true)
            }
            if isIntact { return found }
            return try await index.write { db in
                guard let record = try BlobRow.fetch(db, key) else { return nil }
                if try layout.defect(of: record) == nil { return record }
                return try layout.adoptReplacement(db, of: record)
            }
        }
        return try await index.write { db in
            guard let record = try layout.intactBlob(db, key) else { return nil }
            try BlobRow.lease(db, key, for: workspace)
            return record
        }
    }

    /// Any intact blob of a layer that is a tar, whatever it inherited, leased for the workspace: each holds all of the layer. The
    /// plain one is preferred; nil where there is none.
    public func anyBlob(of diffID: Digest, leasedBy workspace: Workspace) async throws -> BlobRecord? {
        let layout = layout
        return try await index.write { db in
            let keys = try String.fetchAll(
                db,
                sql: "SELECT key FROM blobs WHERE diff_id = ? ORDER BY key",
                arguments: [diffID.hex]
            )
            for key in keys.compactMap({ LayerKey($0) }) where !key.isNative {
                guard let record = try layout.intactBlob(db, key) else { continue }
                try BlobRow.lease(db, key, for: workspace)
                return record
            }
            return nil
        }
    }

    /// Remembers that compressed bytes are a layer that the store has.
    public func remember(compressed digest: Digest, of diffID: Digest) async throws {
        let isNew = try await index.write { db in
            guard try BlobRow.rememberCompressed(db, digest, diffID: diffID) else { return false }
            try Sidecars.markBlobs(diffID: diffID, db)
            return true
        }
        if isNew { await flushSidecars() }
    }

    /// Whether some image has a layer of that many bytes, as its manifest lists it.
    public func hasLayer(ofSize size: UInt64) async throws -> Bool {
        try await index.read { db in
            try Bool.fetchOne(
                db,
                sql: "SELECT EXISTS (SELECT 1 FROM image_layers WHERE size = ?)",
                arguments: [Int64(clamping: size)]
            ) ?? false
        }
    }

    /// The diffID of a layer known by the digest of its compressed bytes.
    public func diffID(ofCompressed digest: Digest) async throws -> Digest? {
        try await index.read { db in
            try Row.fetchOne(
                db,
                sql: "SELECT diff_id FROM compressed WHERE digest = ?",
                arguments: [digest.hex]
            )?
            .digest("diff_id")
        }
    }

    /// Makes a finished blob part of the store: file and boot files (already in the workspace, written, not yet
    /// synchronised) are synchronised, then in one transaction renamed, their folders synchronised, rows written,
    /// leased by the workspace. If another process was first, its blob stays and is returned.
    ///
    /// - Parameters:
    ///   - file: the EROFS image in the workspace.
    ///   - bootDirectory: a folder in the workspace with kernels and initramfs under their own names; nil for none.
    ///   - compressed: the digest of the compressed bytes it came from, where that differs from the diffID.
    ///   - isObsolete: whether a sound blob that is there already is to be replaced. Who has the old file open goes on
    ///     with it.
    /// - Throws: ``StoreError``: `invalidFile` when the files are not what the record says, `noSpace`, `io`.
    public func commitBlob(
        _ record: BlobRecord,
        file: FilePath,
        bootDirectory: FilePath?,
        compressed: Digest?,
        in workspace: Workspace,
        replacing isObsolete: @escaping @Sendable (BlobRecord) -> Bool = { _ in false }
    ) async throws -> BlobRecord {
        let (layout, clock) = (layout, clock)
        let pending = try await translating {
            try await onThread(named: "commit-blob") { _ in
                try PendingBlob(
                    record,
                    file: file,
                    bootDirectory: bootDirectory,
                    compressed: compressed,
                    in: workspace.path,
                    layout
                )
            }
        }
        let result = try await index.write { db in
            let winner: BlobRecord
            if let first = try layout.intactBlob(db, record.key), !isObsolete(first) {
                winner = first
            } else {
                try pending.move(layout)
                // The new sidecar knows one digest of the compressed layer; there may be more.
                try Sidecars.markBlobs(diffID: record.key.diffID, db)
                try BlobRow.put(db, record, bootSize: record.bootSize, at: try clock.advance(db))
                winner = record
            }
            if let compressed, try BlobRow.rememberCompressed(db, compressed, diffID: record.key.diffID) {
                try Sidecars.markBlobs(diffID: record.key.diffID, db)
            }
            try BlobRow.lease(db, record.key, for: workspace)
            return winner
        }
        // Gone already if this was the first; otherwise they go with the workspace at the latest.
        try await translating { try await onThread(named: "drop-blob") { _ in try pending.drop() } }
        await flushSidecars()
        return result
    }
}

/// A file of a workspace that is about to become part of the store.
enum PendingFile {
    /// Writes a file of the workspace and makes its content durable; its name becomes so where it is moved to.
    static func write(_ bytes: [UInt8], to path: FilePath) throws {
        try Directory.unlink(path)
        let file = try File(path, .writeOnly, options: [.create, .exclusiveCreate], permissions: .content)
        try bytes.withUnsafeBytes { try file.writeAll($0) }
        try file.setPermissions(.content)
        try file.synchronize()
    }

    /// Checks a file against its record, gives it its final mode and makes its content durable.
    static func seal(_ path: FilePath, size: UInt64) throws {
        let file = try File.regular(path)
        let actual = try file.status().size
        guard actual == size else {
            throw StoreError(.invalidFile, "\(path) has \(actual) bytes, its record says \(size)")
        }
        try file.setPermissions(.content)
        try file.synchronize()
    }
}

/// A blob's files in the workspace, synchronised and ready to move.
struct PendingBlob: Sendable {
    private let key: LayerKey
    private let file: FilePath
    private let sidecar: FilePath
    private let bootDirectory: FilePath?

    /// Checks the files against the record, gives them their final mode and makes them durable.
    init(
        _ record: BlobRecord,
        file: FilePath,
        bootDirectory: FilePath?,
        compressed: Digest?,
        in workspace: FilePath,
        _ layout: StoreLayout
    ) throws {
        key = record.key
        self.file = file
        sidecar = workspace.appending("\(record.key).json")
        let bootFiles = record.bootFiles
        self.bootDirectory = bootFiles.isEmpty ? nil : bootDirectory

        try PendingFile.seal(file, size: record.size)
        for (name, size) in bootFiles {
            guard let bootDirectory else {
                throw StoreError(
                    .invalidFile,
                    "no folder was given for the boot file \(name) of \(record.key)"
                )
            }
            guard let component = FilePath.Component(name), component.kind == .regular else {
                throw StoreError(.invalidFile, "'\(name)' is no name for a boot file")
            }
            try PendingFile.seal(bootDirectory.appending(component), size: size)
        }
        if let bootDirectory, !bootFiles.isEmpty { try Directory.synchronize(bootDirectory) }
        let document = BlobSidecar(
            record: record,
            compressed: compressed.map { $0 == record.key.diffID ? [] : [$0] } ?? []
        )
        try PendingFile.write(try JSON.encode(document, pretty: true), to: sidecar)

        for place in [layout.blob(key), layout.bootDirectory(key)] {
            let folder = place.removingLastComponent()
            guard try FileStatus.of(folder) == nil else { continue }
            try Directory.create(folder, permissions: .storeFolder)
            try Directory.synchronize(folder.removingLastComponent())
        }
    }

    /// Moves everything to its place and makes the names durable. Under the write lock; the image goes last. What
    /// lies there has no row, or a row whose files are damaged.
    func move(_ layout: StoreLayout) throws(FileError) {
        let boot = layout.bootDirectory(key)
        if try FileStatus.of(boot) != nil {
            _ = try Trash.move(boot, to: layout.trash, as: .boot, id: key.description)
        }
        if let bootDirectory {
            try Directory.rename(bootDirectory, to: boot)
            try Directory.synchronize(boot.removingLastComponent())
        }
        try Directory.rename(sidecar, to: layout.blobSidecar(key))
        try Directory.rename(file, to: layout.blob(key))
        try Directory.synchronize(layout.blob(key).removingLastComponent())
    }

    /// Removes what was not moved.
    func drop() throws(FileError) {
        try Directory.unlink(file)
        try Directory.unlink(sidecar)
        if let bootDirectory { try Directory.removeTree(bootDirectory) }
    }
}
