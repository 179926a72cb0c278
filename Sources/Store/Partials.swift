import GRDB
import Host
import SystemPackage

/// Downloads to resume, and since when each has stood still. A file's own times are wall-clock times, which step;
/// so the index remembers when, on the store's clock, a collection first saw a file as it is.
enum Partials {
    /// Those that nobody is writing and that have not changed for `ttl`, each with the right to it: as long as the result
    /// lives, nobody begins to.
    static func idle(
        _ db: Database,
        _ layout: StoreLayout,
        now: StoreTime,
        ttl: Duration
    ) throws -> [Partial] {
        var idle: [Partial] = []
        var names: [String] = []
        for name in try Directory.names(in: layout.partial) {
            let path = layout.partial.appending(name)
            guard let status = try FileStatus.of(path) else { continue }
            if name.string.hasSuffix(Partial.lockEnding) {
                // Left by a process that was killed; taken and dropped, it goes.
                _ = try Partial.lock(FilePath(String(path.string.dropLast(Partial.lockEnding.count))))
                continue
            }
            names.append(name.string)
            let state = "\(status.inode) \(status.size) \(status.modified) \(status.changed)"
            try db.execute(
                sql: """
                    INSERT INTO partials VALUES (:name, :state, :now) ON CONFLICT (name) DO UPDATE
                    SET state = excluded.state, seen_at = excluded.seen_at WHERE state <> excluded.state
                    """,
                arguments: ["name": name.string, "state": state, "now": now.nanoseconds]
            )
            let row = try Row.fetchOne(
                db,
                sql: "SELECT seen_at FROM partials WHERE name = ?",
                arguments: [name.string]
            )
            guard let seen = try row?.time("seen_at"), seen + ttl <= now else { continue }
            if let partial = try Partial.lock(path) { idle.append(partial) }
        }
        try db.execute(
            sql: "DELETE FROM partials WHERE name NOT IN (SELECT value FROM json_each(?))",
            arguments: [try JSON.text(names)]
        )
        return idle
    }
}
