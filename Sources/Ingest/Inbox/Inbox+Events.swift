import Host
public import SystemPackage

extension Inbox {
    /// Takes an event into account. A pass should follow.
    public func noteEvent(_ event: WatchEvent) {
        let now = MonotonicTime.now()
        guard event.folder == settings.path else {
            if let folder = imageFolder(event.folder) { noteInside(folder, event.kind, now) }
            return
        }
        switch event.kind {
        case .watching: isWatched = true
        case .folderGone, .degraded: isWatched = false
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

    /// The item whose folder this is.
    private func imageFolder(_ folder: FilePath) -> String? {
        guard folder.removingLastComponent() == settings.path else { return nil }
        return folder.lastComponent?.string
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
        for name in arrivals.keys where running[name] == nil {
            files.noteChanged(name, now: now)
            folders.noteChanged(name, now: now)
            settled[name] = nil
        }
    }

    /// The folders to watch: the inbox and the image folders in it.
    public var watchedFolders: Set<FilePath> {
        var folders: Set = [settings.path]
        for item in observation?.items ?? [] where InboxName.isImageFolder(item.name) {
            folders.insert(settings.path.appending(item.name))
        }
        return folders
    }
}
