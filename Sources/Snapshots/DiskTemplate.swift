import Host
import SystemPackage

/// An empty file system of some size that new disks are copied from, each with a UUID and a hash seed of its own.
struct DiskTemplate: Sendable {
    private let file: File
    private let size: UInt64
    private let extents: [Range<UInt64>]
    private let backups: [UInt64]

    /// Takes a file that holds a file system; nil when it is none that can be copied.
    init?(_ file: File, size: UInt64) throws(FileError) {
        guard try file.status().size == size,
            let superblock = try Self.superblock(of: file, at: Ext4Superblock.offset)
        else { return nil }
        self.file = file
        self.size = size
        extents = try file.dataExtents()
        backups = superblock.backups
    }

    /// Bytes that a copy takes where nothing is shared.
    var copiedBytes: UInt64 { extents.reduce(0) { $0 + UInt64($1.count) } }

    /// Fills an empty file with a copy.
    ///
    /// - Parameters:
    ///   - uuid: the copy's own, 16 bytes.
    ///   - hashSeed: the copy's own, 16 bytes.
    ///   - name: the volume's name.
    func fill(_ disk: File, uuid: [UInt8], hashSeed: [UInt8], name: String) throws(FileError) {
        try disk.becomeCopy(of: file, extents: extents, size: size)
        for offset in [Ext4Superblock.offset] + backups {
            guard var superblock = try Self.superblock(of: disk, at: offset) else {
                throw FileError("find the superblock at byte \(offset) of", disk.path, .ioError)
            }
            superblock.identify(uuid: uuid, hashSeed: hashSeed, name: name)
            let outcome = superblock.bytes.withUnsafeBytes { buffer in
                Result { () throws(FileError) in try disk.writeAll(buffer, at: offset) }
            }
            try outcome.get()
        }
    }

    private static func superblock(of file: File, at offset: UInt64) throws(FileError) -> Ext4Superblock? {
        var bytes = [UInt8](repeating: 0, count: Ext4Superblock.size)
        let outcome = bytes.withUnsafeMutableBytes { buffer in
            Result { () throws(FileError) in try file.read(into: buffer, at: offset) }
        }
        guard try outcome.get() == Ext4Superblock.size else { return nil }
        return Ext4Superblock(bytes)
    }
}

/// The templates of a store, made when they are first needed.
actor DiskTemplates {
    private let folder: FilePath
    private var known: [UInt64: DiskTemplate] = [:]
    private var making: [UInt64: Task<DiskTemplate, any Error>] = [:]

    init(_ folder: FilePath) { self.folder = folder }

    /// The name of the template of a size.
    static func name(_ size: UInt64) -> String { "\(Ext4.kind)-\(size).raw" }

    /// The size that a template's name says; nil for a name that is none of today's templates.
    static func size(_ name: String) -> UInt64? {
        guard name.hasPrefix("\(Ext4.kind)-"), name.hasSuffix(".raw") else { return nil }
        return UInt64(name.dropFirst(Ext4.kind.count + 1).dropLast(4))
    }

    /// The template of a size, which one of several callers makes and the others wait for.
    func template(_ size: UInt64) async throws(SnapshotError) -> DiskTemplate {
        do {
            if let known = known[size] { return known }
            if let task = making[size] { return try await task.value }
            let folder = folder
            let task = Task { try await Self.obtain(size, in: folder) }
            making[size] = task
            defer { making[size] = nil }
            let template = try await task.value
            known[size] = template
            return template
        } catch let error as SnapshotError {
            throw error
        } catch let error as FileError {
            throw .init(error)
        } catch {
            throw .failed("cannot make a template of \(size) bytes: \(error)", isTransient: true)
        }
    }

    private static func obtain(_ size: UInt64, in folder: FilePath) async throws -> DiskTemplate {
        let path = folder.appending(name(size))
        if let found = try await onThread(named: "disk template", { _ in try open(path, size) }) {
            return found
        }
        let file = try await onThread(named: "disk template") { _ in
            try Directory.create(folder, permissions: FilePermissions(rawValue: 0o750))
            try TemporaryFile.sweep(folder, of: name(size))
            let file = try TemporaryFile.create(beside: path, permissions: [.ownerReadWrite])
            try file.truncate(to: size)
            return file
        }
        do {
            try await Ext4.format(file.path, size: size)
            return try await onThread(named: "disk template") { _ in
                try file.digHoles()
                try file.setPermissions(FilePermissions(rawValue: 0o444))
                let staged = StagedFiles()
                // A damaged one is replaced; one that another process has just made is as good as ours.
                staged.add(file, to: path, replacing: true)
                try StagedFiles.synchronize([staged])
                try staged.publish()
                try StagedFiles.synchronizeNames([staged])
                guard let template = try open(path, size) else {
                    throw SnapshotError.failed(
                        "mke2fs made no ext4 with metadata_csum_seed in \(path)",
                        isTransient: true
                    )
                }
                return template
            }
        } catch {
            // The failure that led here is what the caller hears; a leftover is swept by the next attempt.
            _ = try? Directory.unlink(file.path)
            throw error
        }
    }

    private static func open(_ path: FilePath, _ size: UInt64) throws(FileError) -> DiskTemplate? {
        let file: File
        do { file = try File.regular(path) } catch  where error.errno == .noSuchFileOrDirectory {
            return nil
        }
        return try DiskTemplate(file, size: size)
    }
}
