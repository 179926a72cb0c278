import Ingest
import SystemPackage

/// Turns what happens in the watched folders into triggers of passes.
struct Watching: Sendable {
    let watcher: FolderWatcher
    /// The folders to watch now; asked again after every pass, since image folders come and go.
    let folders: @Sendable () async -> Set<FilePath>
    /// Takes an event to whom it concerns; false when it concerns nobody.
    let deliver: @Sendable (WatchEvent) async -> Bool
    /// Asks for a pass.
    let trigger: @Sendable () -> Void

    /// Delivers events until the watcher stops.
    func run() async {
        watcher.watch(await folders())
        for await event in watcher.events {
            if await deliver(event) { trigger() }
        }
    }

    /// Watches the folders that matter now.
    func refresh() async { watcher.watch(await folders()) }
}
