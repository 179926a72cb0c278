import Glibc
import Host
import Synchronization
import SystemPackage

/// The thread that owns libinotifytools.
///
/// The library keeps its descriptor and its watches in global variables, so one thread of the process uses it, for
/// every watcher. The descriptor cannot be polled, and a wait is a whole number of seconds: what watchers ask for is
/// done between two waits. The thread ends when the last watcher leaves.
final class InotifyThread: Sendable {
    /// What a watcher asks for.
    enum Request: Sendable {
        case watch(WatchSubscriber, Set<FilePath>)
        case leave(WatchSubscriber, done: @Sendable () -> Void)
    }

    private struct State {
        var requests: [Request] = []
        var isRunning = false
    }

    static let shared = InotifyThread()

    private let state = Mutex(State())

    private init() {}

    /// Hands a request to the thread, starting it when it does not run.
    func post(_ request: Request) {
        let mustStart = state.withLock { state in
            state.requests.append(request)
            defer { state.isRunning = true }
            return !state.isRunning
        }
        guard mustStart else { return }
        do { try startThread(named: "inotify") { self.run() } } catch { decline("\(error)") }
    }

    /// Without a thread nothing is watched: says so to everyone who asked.
    private func decline(_ reason: String) {
        let requests = state.withLock { state in
            defer { state = State() }
            return state.requests
        }
        for request in requests {
            switch request {
            case .watch(let subscriber, let folders):
                for folder in folders {
                    subscriber.update(folder, .unwatched(reason), reporting: .degraded(reason))
                }
            case .leave(let subscriber, let done):
                subscriber.finish()
                done()
            }
        }
    }

    private func run() {
        var table = WatchTable()
        while let requests = next(isIdle: table.isEmpty) {
            for request in requests {
                switch request {
                case .watch(let subscriber, let folders): table.setFolders(folders, of: subscriber)
                case .leave(let subscriber, let done):
                    table.setFolders([], of: subscriber)
                    subscriber.finish()
                    done()
                }
            }
            table.maintain(now: MonotonicTime.now())
            table.waitForEvent()
        }
        table.close()
    }

    /// The requests that came in; nil, once, when there is nothing left to do.
    private func next(isIdle: Bool) -> [Request]? {
        state.withLock { state in
            if isIdle && state.requests.isEmpty {
                state.isRunning = false
                return nil
            }
            defer { state.requests = [] }
            return state.requests
        }
    }
}
