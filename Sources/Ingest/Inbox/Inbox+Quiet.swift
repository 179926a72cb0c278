import Host
public import Store
import SystemPackage

extension Inbox {
    /// What the inbox looked like when nothing was to be done about it.
    struct Quiet {
        var fingerprint: FolderFingerprint
        var changes: StoreChanges
        /// What is said of it, once it was asked for.
        var activity: InboxActivity?
        var unfinished: [InboxItemStatus]?
    }

    /// One pass: observes, plans and applies. Where neither the folder nor the index changed since a pass that found
    /// nothing to do, and no time has come, that is all it finds out: it takes one system call for each file.
    public func reconcile(now: StoreTime) async throws {
        let changes = store.changes
        let fingerprint = try await fingerprint()
        if let quiet, let fingerprint, quiet.fingerprint == fingerprint, quiet.changes == changes, !hasNews,
            jobs.running.isEmpty, queue.count == 0, !jobs.hasNews, plan.isQuiet(until: now)
        {
            observation?.now = now
            isQuiet = true
            return
        }
        quiet = nil
        isQuiet = false
        await apply(Self.plan(try await observe(now: now)))
        // What the pass itself wrote shows in the next one's changes: that one looks closely once more.
        if let fingerprint { quiet = Quiet(fingerprint: fingerprint, changes: changes) }
    }

    /// Nil where the folder cannot be read, which a pass finds out in words.
    private func fingerprint() async throws -> FolderFingerprint? {
        let path = settings.path
        return try await onThread(named: "inbox") { _ in
            var fingerprint = FolderFingerprint()
            do throws(FileError) {
                try fingerprint.add(path, enteringNamesEndingIn: InboxName.folderEnding)
            } catch { return nil }
            return fingerprint
        }
    }
}
