import CInotifyTools
import CShims
import Glibc
import Host
import SystemPackage

/// The folders that are or shall be watched, and their watches. Used by one thread only.
///
/// Traps of the library (3.22) that this table works around:
/// - A wait of 0 seconds never returns; 1 is the shortest.
/// - A watch that the kernel took away (folder removed or unmounted) stays in the library under its file name, and a
///   new watch of that name would get the old descriptor. So every watch is placed under a spelling of its own.
/// - The kernel gives one descriptor to one folder, whatever the path. So watches are shared by device and inode.
struct WatchTable {
    /// One folder, whatever it is called.
    private struct Inode: Hashable {
        var device: UInt64
        var inode: UInt64
    }

    private struct Watch {
        var descriptor: Int32
        var listeners: Set<Listener>
    }

    /// A watcher and what it calls the folder.
    private struct Listener: Hashable {
        var subscriber: WatchSubscriber
        var folder: FilePath

        static func == (left: Listener, right: Listener) -> Bool {
            left.subscriber === right.subscriber && left.folder == right.folder
        }

        func hash(into hasher: inout Hasher) {
            hasher.combine(ObjectIdentifier(subscriber))
            hasher.combine(folder)
        }
    }

    /// What is wanted, and the folder that is watched for it, if one is.
    private var wanted: [Listener: Inode?] = [:]
    private var watches: [Inode: Watch] = [:]
    private var inodes: [Int32: Inode] = [:]
    private var isOpen = false
    private var generation: UInt32 = 0
    private var nextRetry: Int64 = 0
    private var nextCheck: Int64 = 0

    private static let retryInterval: Int64 = 1_000_000_000
    private static let checkInterval: Int64 = 5_000_000_000

    /// `IN_MODIFY` is left out: a large copy makes many thousands of them, and the file's identity tells as much.
    private static let mask =
        IN_CREATE | IN_MOVED_TO | IN_CLOSE_WRITE | IN_MOVED_FROM | IN_DELETE | IN_ATTRIB | IN_DELETE_SELF
        | IN_MOVE_SELF | IN_ONLYDIR

    /// Whether nobody wants anything.
    var isEmpty: Bool { wanted.isEmpty }

    /// Replaces the folders that a watcher wants.
    mutating func setFolders(_ folders: Set<FilePath>, of subscriber: WatchSubscriber) {
        for (listener, inode) in wanted
        where listener.subscriber === subscriber && !folders.contains(listener.folder) {
            if let inode { detach(listener, from: inode) }
            wanted[listener] = nil
        }
        for folder in folders {
            let listener = Listener(subscriber: subscriber, folder: folder)
            if wanted[listener] == nil { place(listener) }
        }
    }

    /// Tries again what could not be watched, and checks whether what is watched is still what its path names: a
    /// file system mounted over a folder makes no event.
    mutating func maintain(now: Int64) {
        if now >= nextCheck {
            nextCheck = now + Self.checkInterval
            for (inode, watch) in watches {
                // A folder that cannot be looked at is not the one that is watched either.
                for listener in watch.listeners where (try? Self.inode(of: listener.folder)) != inode {
                    detach(listener, from: inode)
                    wanted.updateValue(nil, forKey: listener)
                    listener.subscriber.update(
                        listener.folder,
                        .unwatched("the folder was replaced"),
                        reporting: .folderGone
                    )
                }
            }
        }
        guard now >= nextRetry else { return }
        nextRetry = now + Self.retryInterval
        var subscribers: [ObjectIdentifier: WatchSubscriber] = [:]
        for (listener, inode) in wanted {
            if inode == nil { place(listener) }
            subscribers[ObjectIdentifier(listener.subscriber)] = listener.subscriber
        }
        for subscriber in subscribers.values { subscriber.deliverOverflows() }
    }

    /// Waits for an event for up to a second and delivers it.
    mutating func waitForEvent() {
        guard isOpen else {
            // The kernel had no inotify instance left; this thread has nothing else to do until the next try.
            sleep(1)
            return
        }
        guard let event = inotifytools_next_event(1) else { return }
        deliver(event)
    }

    /// Gives the library's descriptor back.
    mutating func close() {
        if isOpen { inotifytools_cleanup() }
        isOpen = false
    }

    // MARK: Placing watches

    private mutating func place(_ listener: Listener) {
        wanted.updateValue(nil, forKey: listener)
        do throws(FileError) {
            try open()
            let inode = try Self.inode(of: listener.folder)
            if watches[inode] == nil {
                let descriptor = try addWatch(listener.folder)
                guard try Self.inode(of: listener.folder) == inode else {
                    inotifytools_remove_watch_by_wd(descriptor)
                    throw FileError("watch", listener.folder, .staleNFSFileHandle)
                }
                watches[inode] = Watch(descriptor: descriptor, listeners: [])
                inodes[descriptor] = inode
            }
            watches[inode]?.listeners.insert(listener)
            wanted.updateValue(inode, forKey: listener)
            report(placed: listener)
        } catch {
            let isGone = error.errno == .noSuchFileOrDirectory || error.errno == .notDirectory
            let reason = isGone ? "there is no such folder" : Self.explain(error)
            listener.subscriber.update(
                listener.folder,
                .unwatched(reason),
                reporting: isGone ? .folderGone : .degraded(reason)
            )
        }
    }

    private func report(placed listener: Listener) {
        let subscriber = listener.subscriber
        subscriber.update(listener.folder, .watching, reporting: .watching)
        // A file system that cannot be asked is taken for one that tells; the interval of the rescan covers it.
        guard let status = try? subscriber.fileSystem(listener.folder), status.isBlindToInotify else {
            return
        }
        let type = "0x" + String(status.type, radix: 16)
        let reason =
            "\(listener.folder) lies on a file system (type \(type)) that does not report changes made elsewhere"
        subscriber.update(listener.folder, .blind(reason), reporting: .degraded(reason))
    }

    private mutating func open() throws(FileError) {
        guard !isOpen else { return }
        guard inotifytools_initialize() != 0 else {
            throw FileError(
                "create an inotify instance for",
                "/proc/sys/fs/inotify",
                Errno(rawValue: inotifytools_error())
            )
        }
        isOpen = true
        // The library waits with select(2), which aborts the process on a descriptor that its set cannot hold.
        guard try Self.hasDescriptor(from: Self.selectLimit) else { return }
        close()
        throw FileError("wait for events of", "/proc/sys/fs/inotify", .tooManyOpenFiles)
    }

    /// FD_SETSIZE of sys/select.h: descriptors from here on are beyond select(2).
    private static let selectLimit = 1024

    /// Whether an inotify descriptor of this process has a number of at least `limit`. The library hides its own.
    private static func hasDescriptor(from limit: Int) throws(FileError) -> Bool {
        let folder: FilePath = "/proc/self/fd"
        for name in try Directory.names(in: folder) {
            guard let number = Int(name.string), number >= limit else { continue }
            var buffer = [CChar](repeating: 0, count: 64)
            let count = folder.appending(name).withPlatformString { readlink($0, &buffer, buffer.count) }
            let target = buffer.prefix(max(0, count)).map { UInt8(bitPattern: $0) }
            if target.elementsEqual("anon_inode:inotify".utf8) { return true }
        }
        return false
    }

    private mutating func addWatch(_ folder: FilePath) throws(FileError) -> Int32 {
        generation &+= 1
        let spelling = Self.spelling(of: folder, generation: generation)
        let isPlaced = spelling.withCString { inotifytools_watch_file($0, Self.mask) } != 0
        guard isPlaced else { throw FileError("watch", folder, Errno(rawValue: inotifytools_error())) }
        return spelling.withCString { inotifytools_wd_from_filename($0) }
    }

    /// The path followed by as many `/.` and `//` as it takes to write the number in binary: another name of the
    /// same folder, never used before.
    static func spelling(of folder: FilePath, generation: UInt32) -> String {
        let digits = String(generation, radix: 2).map { $0 == "1" ? "/." : "//" }
        return folder.string + digits.joined() + "/"
    }

    private static func inode(of folder: FilePath) throws(FileError) -> Inode {
        let status = try File(folder, .readOnly, options: .directory).status()
        return Inode(device: status.device, inode: status.inode)
    }

    private static func explain(_ error: FileError) -> String {
        switch error.errno {
        case .noSpace: "\(error): raise the sysctl fs.inotify.max_user_watches"
        case .tooManyOpenFiles: "\(error): raise the sysctl fs.inotify.max_user_instances"
        default: "\(error)"
        }
    }

    // MARK: Taking watches away

    private mutating func detach(_ listener: Listener, from inode: Inode) {
        watches[inode]?.listeners.remove(listener)
        guard let watch = watches[inode], watch.listeners.isEmpty else { return }
        inotifytools_remove_watch_by_wd(watch.descriptor)
        forget(inode)
    }

    private mutating func forget(_ inode: Inode) {
        guard let watch = watches.removeValue(forKey: inode) else { return }
        inodes[watch.descriptor] = nil
    }

    // MARK: Delivering events

    private mutating func deliver(_ event: UnsafeMutablePointer<inotify_event>) {
        let bits = Int32(bitPattern: event.pointee.mask)
        if bits & IN_Q_OVERFLOW != 0 {
            for listener in wanted.keys {
                listener.subscriber.deliver(WatchEvent(folder: listener.folder, kind: .overflow))
            }
            return
        }
        guard let inode = inodes[event.pointee.wd], let watch = watches[inode] else { return }
        if bits & (IN_DELETE_SELF | IN_MOVE_SELF | IN_UNMOUNT | IN_IGNORED) != 0 {
            // A renamed folder still has its watch; the others' went with them.
            if bits & IN_MOVE_SELF != 0 { inotifytools_remove_watch_by_wd(watch.descriptor) }
            forget(inode)
            for listener in watch.listeners {
                wanted.updateValue(nil, forKey: listener)
                listener.subscriber.update(
                    listener.folder,
                    .unwatched("the folder went away"),
                    reporting: .folderGone
                )
            }
            nextRetry = 0
            return
        }
        guard let kind = Self.kind(of: bits) else { return }
        let bytes = shim_inotify_event_name(event)
        let isHidden = bytes?.pointee == CChar(UInt8(ascii: "."))
        let listeners = watch.listeners.filter { !(isHidden && $0.subscriber.skipsHidden) }
        guard !listeners.isEmpty else { return }
        let name = bytes.flatMap { FilePath(platformString: $0).lastComponent }
        for listener in listeners {
            listener.subscriber.deliver(WatchEvent(folder: listener.folder, name: name, kind: kind))
        }
    }

    private static func kind(of bits: Int32) -> WatchEvent.Kind? {
        if bits & IN_MOVED_TO != 0 { return .renamedIn }
        if bits & IN_CLOSE_WRITE != 0 { return .closedAfterWriting }
        if bits & IN_CREATE != 0 { return .created }
        if bits & (IN_DELETE | IN_MOVED_FROM) != 0 { return .removed }
        return bits & IN_ATTRIB != 0 ? .changed : nil
    }
}
