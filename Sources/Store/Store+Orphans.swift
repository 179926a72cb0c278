import GRDB
import Host
import SystemPackage

extension Store {
    /// Removes what no row and no live owner accounts for: dead workspaces, trash, content without rows, and
    /// partial downloads that have not changed for `partialTTL` of the store's clock.
    ///
    /// - Returns: what was removed, with the bytes it took on disk.
    @discardableResult
    public func collectOrphans(
        partialTTL: Duration = .seconds(24 * 3600)
    ) async throws -> [CollectionSnapshot.Orphan] {
        let (layout, clock) = (layout, clock)
        let swept = try await translating {
            try await onThread(named: "sweep-temp") { _ in try Workspaces.sweep(layout) }
        }
        let found = try await index.write { db in
            try Workspaces.forgetDeadLeases(db, layout)
            var orphans: [CollectionSnapshot.Orphan] = []
            // Under the write lock, a file without a row is no commit half way: nothing else runs.
            for file in try OrphanScan.content(in: layout) where try !file.hasRow(db) {
                orphans += try Self.discard(file.path, as: file.kind.rawValue, layout)
            }
            for partial in try Partials.idle(db, layout, now: clock.advance(db), ttl: partialTTL) {
                orphans += try Self.discard(partial.path, as: "partial", layout)
            }
            for path in try Trash.recover(db, layout) where !orphans.contains(where: { $0.path == path }) {
                let bytes = try DiskUsage.bytes(of: path) ?? 0
                orphans.append(.init(kind: swept.contains(path) ? "temp" : "trash", path: path, bytes: bytes))
            }
            return orphans
        }
        try await emptyTrash(found.map(\.path))
        await flushSidecars()
        return found
    }

    /// Remembers of each download to resume since when it has not changed, which is what its time is counted from.
    public func notePartials() async throws {
        let (layout, clock) = (layout, clock)
        let isNews = try await index.read { db in
            try Partials.standings(db, layout).contains { $0.since == nil }
        }
        guard isNews else { return }
        try await index.write(isChange: false) { db in
            try Partials.note(try Partials.standings(db, layout), db, now: try clock.advance(db))
        }
    }

    /// Whether somebody works in the store, or left something behind there, of which no row need tell: work in flight, and
    /// what is to be deleted.
    public func hasWorkInFlight() async throws -> Bool {
        let layout = layout
        return try await translating {
            try await onThread(named: "work-in-flight") { _ throws(FileError) in
                for folder in [layout.temp, layout.trash] where try !Directory.names(in: folder).isEmpty {
                    return true
                }
                return false
            }
        }
    }

    /// Moves an orphan to the trash; the result tells where it is now.
    private static func discard(
        _ path: FilePath,
        as kind: String,
        _ layout: StoreLayout
    ) throws(FileError) -> [CollectionSnapshot.Orphan] {
        guard let bytes = try DiskUsage.bytes(of: path) else { return [] }
        let trashed = try Trash.move(path, to: layout.trash, as: .refuse)
        return [CollectionSnapshot.Orphan(kind: kind, path: trashed, bytes: bytes)]
    }
}
