import GRDB
import Host
import SystemPackage

/// Downloads to resume, and since when each has stood still. A file's own times are wall-clock times, which step;
/// so the index remembers when, on the store's clock, a collection first saw a file as it is.
enum Partials {
    /// A download as it lies there, and since when it is known to lie there so.
    struct Standing {
        var path: FilePath
        var state: String
        var bytes: UInt64
        /// Nil where no collection has seen it as it is.
        var since: StoreTime?
    }

    /// Every download, without the locks beside them.
    static func standings(_ db: Database, _ layout: StoreLayout) throws -> [Standing] {
        var standings: [Standing] = []
        for name in try Directory.names(in: layout.partial)
        where !name.string.hasSuffix(Partial.lockEnding) {
            let path = layout.partial.appending(name)
            guard let status = try FileStatus.of(path) else { continue }
            let state = "\(status.inode) \(status.size) \(status.modified) \(status.changed)"
            let row = try Row.fetchOne(
                db,
                sql: "SELECT seen_at FROM partials WHERE name = ? AND state = ?",
                arguments: [name.string, state]
            )
            standings.append(
                Standing(
                    path: path,
                    state: state,
                    bytes: status.allocatedBytes,
                    since: try row?.time("seen_at")
                )
            )
        }
        return standings
    }

    /// Remembers those that were not seen as they are, forgets those that are gone.
    static func note(_ standings: [Standing], _ db: Database, now: StoreTime) throws {
        for standing in standings where standing.since == nil {
            try db.execute(
                sql: "INSERT OR REPLACE INTO partials VALUES (?, ?, ?)",
                arguments: [standing.path.lastComponent?.string, standing.state, now.nanoseconds]
            )
        }
        let names = standings.compactMap { $0.path.lastComponent?.string }
        try db.execute(
            sql: "DELETE FROM partials WHERE name NOT IN (SELECT value FROM json_each(?))",
            arguments: [try JSON.text(names)]
        )
    }

    /// Those that nobody is writing and that have not changed for `ttl`, each with the right to it: as long as the result
    /// lives, nobody begins to.
    static func idle(
        _ db: Database,
        _ layout: StoreLayout,
        now: StoreTime,
        ttl: Duration
    ) throws -> [Partial] {
        for name in try Directory.names(in: layout.partial)
        where name.string.hasSuffix(Partial.lockEnding) {
            // Left by a process that was killed; taken and dropped, it goes.
            _ = try Partial.lock(
                layout.partial.appending(String(name.string.dropLast(Partial.lockEnding.count)))
            )
        }
        let standings = try standings(db, layout)
        try note(standings, db, now: now)
        var idle: [Partial] = []
        for standing in standings {
            guard (standing.since ?? now) + ttl <= now else { continue }
            if let partial = try Partial.lock(standing.path) { idle.append(partial) }
        }
        return idle
    }
}
