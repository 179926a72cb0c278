import GRDB
import Glibc
import Host
import Logging
import Synchronization
public import SystemPackage

/// A folder of work in flight whose lock tells other processes that its owner lives.
///
/// The lock is on the open file `lock` in the folder: the kernel gives it up when the owner dies, however it dies.
public final class Workspace: Sendable {
    /// The folder.
    public let path: FilePath
    /// Its name, the lease's identity.
    public let id: String

    private let index: Index
    private let trash: FilePath
    private let lock: Mutex<File?>

    init(id: String, layout: StoreLayout, lock: File, index: Index) {
        self.id = id
        path = layout.temp.appending(id)
        trash = layout.trash
        self.index = index
        self.lock = Mutex(lock)
    }

    deinit {
        // What this fails to remove has no lock any more, and is swept by the next start or collection.
        if lock.withLock({ $0 }) != nil { _ = try? Self.remove(path, through: trash) }
    }

    /// Removes the folder through the trash: a sweeper never finds it half removed and without its lock file.
    private static func remove(_ path: FilePath, through trash: FilePath) throws(FileError) {
        try Trash.remove([try Trash.move(path, to: trash, as: .refuse)])
    }

    var isOpen: Bool { lock.withLock { $0 != nil } }

    /// Gives up the leases and removes the folder. Dropping the last reference does so too, as well as it can.
    public func close() async {
        let held = lock.withLock { file in file.take() }
        guard let held else { return }
        let (id, path, trash) = (id, path, trash)
        do {
            try await index.write(evenIfCancelled: true) { db in
                try db.execute(sql: "DELETE FROM leases WHERE workspace = ?", arguments: [id])
            }
            try await onThread(named: "close-workspace") { _ in
                defer { withExtendedLifetime(held) {} }
                try Self.remove(path, through: trash)
            }
        } catch {
            Logger(label: "slipway.store").warning("left to the next collection: \(path): \(error)")
        }
    }
}

extension Store {
    /// A folder under `temp/` with a held lock; keys leased through it are not collected while it lives.
    ///
    /// - Parameter purpose: a word for whoever looks into `temp/`; becomes part of the folder's name.
    public func openWorkspace(_ purpose: String) async throws -> Workspace {
        let (layout, index) = (layout, index)
        return try await translating {
            try await onThread(named: "open-workspace") { _ in
                while true {
                    let id = Self.newWorkspaceName(purpose)
                    if let lock = try Workspaces.create(layout.temp.appending(id)) {
                        return Workspace(id: id, layout: layout, lock: lock, index: index)
                    }
                }
            }
        }
    }

    private static func newWorkspaceName(_ purpose: String) -> String {
        let word = purpose.lowercased().filter { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "-") }
            .prefix(32)
        return
            "\(word.isEmpty ? "work" : word)-\(getpid())-\(String(UInt64.random(in: 0 ... .max), radix: 36))"
    }

    /// Runs file work, turning its errors into store errors.
    func translating<Success>(_ body: () async throws -> Success) async throws -> Success {
        do { return try await body() } catch { throw StoreError.translated(error, index: layout.database) }
    }
}

/// Workspaces' folders as any process sees them.
///
/// The lock file decides: who holds the lock of a folder's own, still linked lock file owns the folder. A creator
/// that loses the folder to a sweeper between making and locking it notices and makes another.
enum Workspaces {
    static let lockName: FilePath.Component = "lock"

    /// Makes the folder and locks it; nil when a sweeper was quicker.
    static func create(_ path: FilePath) throws(FileError) -> File? {
        try Directory.create(path, permissions: .storeFolder)
        return try lock(path)
    }

    /// Takes the folder's lock if nobody has it, making the lock file where there is none; nil when somebody has,
    /// or the folder went meanwhile.
    static func lock(_ path: FilePath) throws(FileError) -> File? {
        let name = path.appending(lockName)
        let file: File
        do {
            file = try File(
                name,
                .readWrite,
                options: [.create, .noFollow],
                permissions: FilePermissions(rawValue: 0o640)
            )
        } catch  where error.errno == .noSuchFileOrDirectory || error.errno == .notDirectory {
            return nil
        }
        guard try file.tryLock() else { return nil }
        // The lock counts only on the file that still lies there: its old owner may have removed it meanwhile.
        let mine = try file.status()
        guard let present = try FileStatus.of(name), present.inode == mine.inode,
            present.device == mine.device
        else {
            return nil
        }
        return file
    }

    /// Whether some process holds the workspace's lock.
    static func isAlive(_ id: String, in temp: FilePath) throws(FileError) -> Bool {
        do {
            return try File(temp.appending(id).appending(lockName), .readOnly, options: .noFollow)
                .isLockedByAnother()
        } catch  where error.errno == .noSuchFileOrDirectory || error.errno == .notDirectory {
            return false
        }
    }

    /// Moves every folder without an owner to the trash, under its lock, and returns where they went.
    static func sweep(_ layout: StoreLayout) throws(FileError) -> [FilePath] {
        var swept: [FilePath] = []
        for name in try Directory.names(in: layout.temp) {
            let path = layout.temp.appending(name)
            // Gone since it was listed: its owner has closed it.
            guard let kind = try FileStatus.of(path)?.kind else { continue }
            var held: File?
            if kind == .directory {
                held = try lock(path)
                if held == nil { continue }
            }
            swept.append(try Trash.move(path, to: layout.trash, as: .refuse))
            withExtendedLifetime(held) {}
        }
        return swept
    }

    /// Forgets the leases of workspaces that nobody holds. A lease is written only after the workspace's lock was
    /// taken, so a lease without a lock is a dead one.
    static func forgetDeadLeases(_ db: Database, _ layout: StoreLayout) throws {
        for id in try String.fetchAll(db, sql: "SELECT DISTINCT workspace FROM leases")
        where try !isAlive(id, in: layout.temp) {
            try db.execute(sql: "DELETE FROM leases WHERE workspace = ?", arguments: [id])
        }
    }
}
