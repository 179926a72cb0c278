import Host
import Logging
import Synchronization
import SystemPackage

/// The SQLite index and the content-addressed files it describes, shared by any number of processes.
///
/// What holds at every moment, whoever is killed wherever:
/// - The rows are the truth. A blob, boot folder or document without a row is an orphan and is never returned;
///   the next commit of its key replaces it, a collection removes it.
/// - Files enter and leave their place only inside a write transaction, of which there is one at a time over all
///   processes. Who holds it may therefore take any file without a row for an orphan, however young.
/// - A file is durable before the row that names it; a row is durably gone before the file it named is unlinked.
public final class Store: Sendable {
    /// Where everything lies.
    public let layout: StoreLayout

    let index: Index
    let clock: StoreClock
    let log = Logger(label: "slipway.store")
    /// The bindings as last read.
    let bindings = Mutex<VMBindings?>(nil)

    /// Opens the store, creating what is missing: folders, database, migrations. Puts back what was trashed while
    /// its row survived, and sweeps temporary folders whose owner is gone.
    ///
    /// - Throws: ``StoreError``, one that says what to do when the index is damaged or newer than this program.
    public convenience init(layout: StoreLayout) throws {
        try self.init(layout: layout, clock: { try BootClock.now() })
    }

    /// Opens the store with a clock of one's own, for tests that make time.
    init(layout: StoreLayout, clock: @escaping @Sendable () throws -> BootClock) throws {
        self.layout = layout
        let clock = StoreClock(reading: clock)
        self.clock = clock
        index = try StoreError.translating(index: layout.database) {
            try layout.createFolders()
            return try Index(layout: layout, clock: clock)
        }
        if let rebuilt = index.rebuilt, rebuilt != RebuildReport() {
            log.warning("made \(layout.database) anew: \(rebuilt.images) images, \(rebuilt.blobs) blobs")
            for problem in rebuilt.problems { log.warning("not taken over: \(problem)") }
        }
        try recover()
    }
}

extension StoreLayout {
    /// Every folder of a store, parents first.
    var folders: [FilePath] { [root, temp, partial, trash, blobs, boot, images, merged] }

    func createFolders() throws(FileError) {
        for folder in folders { try Directory.create(folder, permissions: .storeFolder) }
    }
}

extension FilePermissions {
    /// Folders of the store: for its owner, readable by the group.
    static var storeFolder: FilePermissions { FilePermissions(rawValue: 0o750) }
    /// Content that never changes: blobs, boot files and blobs' sidecars.
    static var content: FilePermissions { FilePermissions(rawValue: 0o444) }
}
