import CShims
import Glibc
public import SystemPackage

/// Files that get their names only once all of them are whole and durable: ``AtomicFile`` for many files at the price of
/// a few.
///
/// Stage each file, make everything durable with ``synchronize(_:)``, then ``publish()``, which gives the names in the
/// order of staging, and ``synchronizeNames(_:)`` at the end. A crash at any moment leaves temporary files, whole old
/// files or whole new ones. What was not published is removed with the value. For one thread at a time.
public final class StagedFiles {
    private struct Item {
        /// Under its temporary name, and locked until it has its own.
        var file: File
        var target: FilePath
        var isReplacing: Bool
    }

    private var items: [Item] = []
    private var folders: Set<FilePath> = []

    /// Nothing staged.
    public init() {}

    // The failure that led here is what the caller hears.
    deinit { for item in items { _ = try? Directory.unlink(item.file.path) } }

    /// Whether there is nothing to publish.
    public var isEmpty: Bool { items.isEmpty }

    /// Writes bytes beside where they shall stand, unless they stand there already.
    ///
    /// - Returns: whether there was anything to write.
    @discardableResult
    public func add(
        _ bytes: [UInt8],
        to target: FilePath,
        permissions: FilePermissions
    ) throws(FileError) -> Bool {
        // What cannot be read is not the same, and publishing will say what is wrong with it.
        if let old = try? AtomicFile.read(target), old == bytes { return false }
        let file = try TemporaryFile.create(beside: target, permissions: permissions)
        add(file, to: target, replacing: true)
        let outcome = bytes.withUnsafeBytes { buffer in
            Result { () throws(FileError) in try file.writeAll(buffer) }
        }
        try outcome.get()
        try file.setPermissions(permissions)
        return true
    }

    /// Takes a finished ``TemporaryFile`` that shall get another name in the same file system.
    ///
    /// - Parameter isReplacing: whether what has the name goes; otherwise the staged file goes, and nothing else happens.
    public func add(_ file: File, to target: FilePath, replacing isReplacing: Bool) {
        items.append(Item(file: file, target: target, isReplacing: isReplacing))
    }

    /// Says that names in a folder changed by other means (a folder was made in it), so that they become durable too.
    public func noteChanges(in folder: FilePath) { folders.insert(folder) }

    /// Gives every file its name.
    ///
    /// - Returns: names that others were first to take, whose files were not published.
    @discardableResult
    public func publish() throws(FileError) -> [FilePath] {
        var taken: [FilePath] = []
        while let item = items.first {
            do {
                try Directory.rename(item.file.path, to: item.target, replacing: item.isReplacing)
            } catch  where error.errno == .fileExists && !item.isReplacing {
                try Directory.unlink(item.file.path)
                taken.append(item.target)
            }
            // Now, not when the last child that was just being started lets go of the descriptor.
            try item.file.unlock()
            folders.insert(item.target.removingLastComponent())
            items.removeFirst()
        }
        return taken
    }
}

extension StagedFiles {
    /// Above this many files, one syncfs(2) is cheaper than an fsync of each.
    private static let fewFiles = 12

    /// Makes all staged content durable: file by file, or, where there is much, the whole file system at once.
    ///
    /// syncfs(2) reports errors of writing back since Linux 5.8; before, only the metadata's.
    public static func synchronize(_ all: [StagedFiles]) throws(FileError) {
        let files = all.flatMap { $0.items.map(\.file) }
        if files.count > fewFiles {
            try synchronizeFileSystems(of: files)
        } else {
            for file in files { try file.synchronize() }
        }
    }

    /// Makes all names durable that publishing gave.
    public static func synchronizeNames(_ all: [StagedFiles]) throws(FileError) {
        let folders = Set(all.flatMap(\.folders))
        if folders.count > fewFiles {
            var files: [File] = []
            for folder in folders { files.append(try File(folder, .readOnly, options: .directory)) }
            try synchronizeFileSystems(of: files)
        } else {
            for folder in folders { try Directory.synchronize(folder) }
        }
        for staged in all { staged.folders = [] }
    }

    private static func synchronizeFileSystems(of files: [File]) throws(FileError) {
        var done: Set<UInt64> = []
        for file in files where done.insert(try file.status().device).inserted {
            try retryingSystemCall("sync the file system of", file.path) {
                shim_syncfs(file.descriptor.rawValue)
            }
        }
    }
}
