public import Host
import Synchronization
public import SystemPackage

/// Watches folders through libinotifytools and reports what happens in them.
///
/// Watches come and go within about a second; when one is placed, `.watching` asks for a look at the folder. A folder
/// that is missing, was replaced, or met a limit of the kernel is reported and tried again every second, so a watcher
/// never fails. Only the folder itself is watched, not what lies below.
public final class FolderWatcher: Sendable {
    /// What happens, in order. For one reader. When the reader is slow, events are dropped and `.overflow` follows.
    public let events: AsyncStream<WatchEvent>

    private let subscriber: WatchSubscriber
    private let thread: InotifyThread

    /// How many events wait for a slow reader.
    static let bufferedEvents = 8192

    /// Creates a watcher without folders.
    ///
    /// - Parameters:
    ///   - skipsHidden: whether what happens to names that begin with a period is not reported: programs write, and
    ///     rename, their temporary files under such names.
    ///   - fileSystem: what tells the type of a folder's file system; tests put one in its place.
    public init(
        skipsHidden: Bool = false,
        fileSystem: @escaping @Sendable (FilePath) throws(FileError) -> FileSystemStatus = FileSystemStatus.of
    ) {
        let (stream, continuation) = AsyncStream.makeStream(
            of: WatchEvent.self,
            bufferingPolicy: .bufferingOldest(Self.bufferedEvents)
        )
        events = stream
        subscriber = WatchSubscriber(
            continuation: continuation,
            skipsHidden: skipsHidden,
            fileSystem: fileSystem
        )
        thread = .shared
    }

    deinit { thread.post(.leave(subscriber, done: {})) }

    /// Says which folders shall be watched from now on. Returns at once; the same set again changes nothing.
    public func watch(_ folders: Set<FilePath>) {
        guard subscriber.replaceFolders(folders) else { return }
        thread.post(.watch(subscriber, folders))
    }

    /// How each folder is watched; one of which nothing is known yet is missing.
    public var states: [FilePath: WatchState] { subscriber.states }

    /// Takes every watch away and ends ``events``. Returns when the thread has done so, within about a second.
    public func stop() async {
        await withCheckedContinuation { continuation in
            thread.post(.leave(subscriber, done: { continuation.resume() }))
        }
    }
}

/// A watcher as the thread sees it.
final class WatchSubscriber: Sendable {
    private struct State {
        var folders: Set<FilePath> = []
        var states: [FilePath: WatchState] = [:]
        /// Folders with events that the reader's buffer had no room for.
        var overflowed: Set<FilePath> = []
    }

    private let continuation: AsyncStream<WatchEvent>.Continuation
    private let state = Mutex(State())
    let skipsHidden: Bool
    let fileSystem: @Sendable (FilePath) throws(FileError) -> FileSystemStatus

    init(
        continuation: AsyncStream<WatchEvent>.Continuation,
        skipsHidden: Bool = false,
        fileSystem: @escaping @Sendable (FilePath) throws(FileError) -> FileSystemStatus
    ) {
        self.continuation = continuation
        self.skipsHidden = skipsHidden
        self.fileSystem = fileSystem
    }

    var states: [FilePath: WatchState] { state.withLock { $0.states } }

    /// Whether the set differs from the last one.
    func replaceFolders(_ folders: Set<FilePath>) -> Bool {
        state.withLock { state in
            guard state.folders != folders else { return false }
            state.folders = folders
            state.states = state.states.filter { folders.contains($0.key) }
            return true
        }
    }

    /// Delivers an event, or remembers that one was lost.
    func deliver(_ event: WatchEvent) {
        deliverOverflows()
        if case .dropped = continuation.yield(event) {
            state.withLock { _ = $0.overflowed.insert(event.folder) }
        }
    }

    /// Reports lost events once there is room.
    func deliverOverflows() {
        let folders = state.withLock { state in
            defer { state.overflowed = [] }
            return state.overflowed
        }
        for folder in folders {
            if case .dropped = continuation.yield(WatchEvent(folder: folder, kind: .overflow)) {
                state.withLock { _ = $0.overflowed.insert(folder) }
            }
        }
    }

    /// Records how a folder is watched, and reports it when that changed.
    func update(_ folder: FilePath, _ new: WatchState, reporting kind: WatchEvent.Kind?) {
        let isNews = state.withLock { state in
            guard state.folders.contains(folder) else { return false }
            return state.states.updateValue(new, forKey: folder) != new
        }
        if isNews, let kind { deliver(WatchEvent(folder: folder, kind: kind)) }
    }

    func finish() { continuation.finish() }
}
