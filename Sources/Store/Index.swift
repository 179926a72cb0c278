import GRDB
import Glibc
import Host
import Synchronization
import SystemPackage

/// The SQLite database: one connection that writes, a few that read, shared with other processes through WAL.
///
/// Every write is one `BEGIN IMMEDIATE` transaction, so writers of all processes run one after the other, and what
/// a writer sees stays true until it commits. Bodies run on the database's own threads and may do file work there.
final class Index: Sendable {
    /// How long a writer waits for others.
    static let patienceInSeconds = 30

    let path: FilePath
    private let changes = Mutex(StoreChanges())
    /// What was found when the index had to be made anew beside content; nil when it was there.
    let rebuilt: RebuildReport?
    private let pool: DatabasePool
    /// Locked by all who have the database open, so that nobody puts another in its place.
    private let presence: File

    /// Opens the database, creating and migrating it as needed. Opening is serialised between processes by a lock
    /// on a file beside it: SQLite does not wait for its busy timeout while a database changes to WAL.
    init(layout: StoreLayout, clock: StoreClock) throws {
        let path = layout.database
        self.path = path
        (pool, rebuilt, presence) = try StoreError.translating(index: path) {
            let lock = try Self.lockForOpening(path)
            defer { withExtendedLifetime(lock) {} }
            let presence = try Self.lockPresence(path, exclusive: false)
            // SQLite gives its -wal and -shm files the mode of the database.
            _ = try File(
                path,
                .readWrite,
                options: [.create, .noFollow],
                permissions: FilePermissions(rawValue: 0o640)
            )
            var configuration = Configuration()
            configuration.busyMode = .timeout(Double(Self.patienceInSeconds))
            configuration.maximumReaderCount = 4
            configuration.label = "store-index"
            let pool = try DatabasePool(path: path.string, configuration: configuration)
            let rebuilt = try pool.writeWithoutTransaction { db in
                // The pool sets NORMAL on entering WAL mode, which may lose the last commits at a power cut.
                try db.execute(sql: "PRAGMA synchronous = FULL")
                return try Schema.migrate(db, path: path) {
                    var rebuild = IndexRebuild(layout: layout, db: db, now: try clock.now(db))
                    try rebuild.run()
                    return rebuild.report
                }
            }
            return (pool, rebuilt, presence)
        }
    }

    private static func lockFile(_ name: String, beside path: FilePath) throws -> File {
        try File(
            path.removingLastComponent().appending(name),
            .readWrite,
            options: [.create, .noFollow],
            permissions: FilePermissions(rawValue: 0o640)
        )
    }

    /// Marks the database as in use until the file is closed. Under the lock for opening.
    ///
    /// - Parameter exclusive: whether nobody else may have it open.
    static func lockPresence(_ path: FilePath, exclusive: Bool) throws -> File {
        let lock = try lockFile("index.users", beside: path)
        guard try lock.tryLock(exclusive: exclusive) else {
            throw StoreError(
                .busy,
                "\(path) is open in another process: stop the agent and whatever else works on the store, then try again"
            )
        }
        return lock
    }

    static func lockForOpening(_ path: FilePath) throws -> File {
        let lock = try lockFile("index.lock", beside: path)
        for _ in 0..<(patienceInSeconds * 100) {
            if try lock.tryLock() { return lock }
            usleep(10_000)
        }
        throw StoreError(.busy, "\(lock.path) is locked: another process is opening the store; try again")
    }

    /// Reads from one consistent state.
    func read<Success: Sendable>(
        _ body: @escaping @Sendable (Database) throws -> Success
    ) async throws -> Success {
        do { return try await pool.read(body) } catch { throw StoreError.translated(error, index: path) }
    }

    /// Runs a transaction that may write (`BEGIN IMMEDIATE`, GRDB's default for writes). Cancelling the task is
    /// heeded before it begins, never within: files that it moved and rows that it wrote stay together.
    ///
    /// - Parameter isChange: whether rows that it writes count in ``version``.
    func write<Success: Sendable>(
        evenIfCancelled: Bool = false,
        isChange: Bool = true,
        _ body: @escaping @Sendable (Database) throws -> Success
    ) async throws -> Success {
        if !evenIfCancelled { try Task.checkCancellation() }
        do {
            return try await Task {
                let (result, hasWritten) = try await pool.write { db in
                    let before = db.totalChangesCount
                    let result = try body(db)
                    return (result, db.totalChangesCount != before)
                }
                // Once it is committed: whoever sees the number finds the rows.
                if hasWritten, isChange { changes.withLock { $0.own += 1 } }
                return result
            }.value
        } catch { throw StoreError.translated(error, index: path) }
    }

    /// Moves the clock, which counts as no change, and sees whether other processes wrote anything since.
    func tick<Success: Sendable>(_ body: @escaping @Sendable (Database) throws -> Success) async throws
        -> Success
    {
        do {
            return try await Task {
                try await pool.write { db in
                    // Changes with every commit of another connection, never with those of this one, which alone
                    // writes in this process.
                    let version = try Int64.fetchOne(db, sql: "PRAGMA data_version") ?? 0
                    changes.withLock { $0.others = version }
                    return try body(db)
                }
            }.value
        } catch { throw StoreError.translated(error, index: path) }
    }

    /// What was written so far.
    var version: StoreChanges { changes.withLock(\.self) }

    /// Runs a transaction that may write, blocking this thread: for opening the store.
    func writeBlocking<Success>(_ body: (Database) throws -> Success) throws -> Success {
        try StoreError.translating(index: path) { try pool.write(body) }
    }

    /// Moves what the log holds into the database file.
    func checkpoint() async throws {
        do { _ = try await pool.writeWithoutTransaction { db in try db.checkpoint(.truncate) } } catch {
            throw StoreError.translated(error, index: path)
        }
    }
}
