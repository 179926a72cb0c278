import Host
import Logging
public import SystemPackage

extension Inbox {
    /// Takes an event into account. A pass should follow.
    public func noteEvent(_ event: WatchEvent) {
        let now = MonotonicTime.now()
        hasNews = true
        noteWatch(event)
        guard event.folder == settings.path else {
            if let folder = imageFolder(event.folder) { noteInside(folder, event.kind, now) }
            return
        }
        switch event.kind {
        case .watching, .folderGone, .degraded: break
        case .overflow: startOver(now)
        case .renamedIn, .closedAfterWriting, .created, .removed, .changed:
            guard let name = event.name?.string else { return }
            settled[name] = nil
            switch event.kind {
            case .renamedIn:
                files.noteFinished(name, now: now)
                folders.noteFinished(name, now: now)
            case .closedAfterWriting: files.noteFinished(name, now: now)
            case .removed:
                files.forget(name)
                folders.forget(name)
            default:
                files.noteChanged(name, now: now)
                folders.noteChanged(name, now: now)
            }
        }
    }

    /// Keeps track of how well the inbox and its image folders are watched, and says when that changes.
    private func noteWatch(_ event: WatchEvent) {
        let before = (isWatched, pollingReason)
        switch event.kind {
        case .watching: unwatched = (unwatched ?? [:]).filter { $0.key != event.folder }
        case .degraded(let reason): unwatched = (unwatched ?? [:]).merging([event.folder: reason]) { $1 }
        case .folderGone:
            // An image folder that went is an item that went.
            guard event.folder == settings.path else {
                unwatched?[event.folder] = nil
                break
            }
            unwatched = [event.folder: "\(event.folder) is not there"]
        case .overflow:
            lostEvents += 1
            logger.warning(
                "events were lost: the inbox is looked at anew",
                metadata: ["path": "\(event.folder)", "count": "\(lostEvents)"]
            )
        case .renamedIn, .closedAfterWriting, .created, .removed, .changed: return
        }
        guard (isWatched, pollingReason) != before else { return }
        if let reason = pollingReason {
            logger.warning(
                "the inbox is polled: not every change of it is reported",
                metadata: ["reason": "\(reason)", "every": "\(Rescan.pollInterval)"]
            )
        } else {
            logger.info("the inbox is watched", metadata: ["path": "\(settings.path)"])
        }
    }

    /// Whether events tell of every change; nil until a watcher says.
    var isWatched: Bool? { unwatched.map(\.isEmpty) }

    /// Why events do not tell of every change; nil where they do, or nothing is watched.
    var pollingReason: String? { unwatched?.min { $0.key.string < $1.key.string }?.value }

    /// The item whose folder this is, or lies in.
    private func imageFolder(_ folder: FilePath) -> String? {
        guard folder.starts(with: settings.path) else { return nil }
        return folder.components.dropFirst(settings.path.components.count).first?.string
    }

    private func noteInside(_ item: String, _ kind: WatchEvent.Kind, _ now: Int64) {
        switch kind {
        // A watch on a folder comes after the folder: it says nothing new.
        case .watching, .degraded, .folderGone: return
        case .renamedIn, .closedAfterWriting: files.noteFinished(item, now: now)
        case .created, .removed, .changed, .overflow: files.noteChanged(item, now: now)
        }
        settled[item] = nil
        folders.noteChanged(item, now: now)
    }

    /// Events were lost: nothing that they vouched for counts any more.
    private func startOver(_ now: Int64) {
        for name in arrivals.keys where jobs.running[name] == nil {
            files.noteChanged(name, now: now)
            folders.noteChanged(name, now: now)
            settled[name] = nil
        }
    }

    /// The folders to watch: the inbox and the image folders in it.
    public var watchedFolders: Set<FilePath> {
        var folders: Set = [settings.path]
        for item in observation?.items ?? [] where InboxName.isImageFolder(item.name) {
            let folder = settings.path.appending(item.name)
            folders.insert(folder)
            if item.isLayout { folders.insert(folder.pushing("blobs/sha256")) }
        }
        return folders
    }
}
